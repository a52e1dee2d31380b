"""What keeps people from being told, N01 to N06: decided on frozen facts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from agentpg.db import identifier
from agentpg.desk.check import Check, Say, Unlooked, amount, by, exactly
from agentpg.desk.doctor.notify.facts import Facts, Kept
from agentpg.desk.finding import Finding, Remedy
from agentpg.language import N_

# HealthAgent looks every minute, so five are missed looks, and half an hour is no restart.
_SILENT_WARNING = timedelta(minutes=5)
_SILENT_CRITICAL = timedelta(minutes=30)

CHECKS = (
    Check(
        code="N01",
        title=N_("Ways to the contacts"),
        levels=("info",),
        threshold=N_("a contact without e-mail, webhook and apprise"),
        contact="ops",
        cause=N_("no address is set"),
        proof=N_("`agentpg notify test` hands a message over to each contact."),
        meaning=N_(
            "Without a way to any contact, alerts are kept and nobody is told; what is for a "
            "contact without a way goes to the other one."
        ),
        idea=N_("set the addresses of both, and try them."),
    ),
    Check(
        code="N02",
        title=N_("Messages that nobody takes"),
        levels=("warning", "critical"),
        threshold=N_("tried twice / given up after a day"),
        contact="ops",
        cause=N_("the server for mail or the webhook is away, or refuses"),
        proof=N_("`agentpg notify test` hands a message over to each contact."),
        meaning=N_("Messages wait in the table outbox and are tried at growing intervals."),
        idea=N_("mend the way that the last error names, and try it."),
    ),
    Check(
        code="N03",
        title=N_("The looks of HealthAgent"),
        levels=("info", "warning", "critical"),
        threshold=f"> {exactly(_SILENT_WARNING)} / > {exactly(_SILENT_CRITICAL)}",
        contact="ops",
        cause=N_("no worker runs HealthAgent, or its schedule is paused"),
        proof=N_("`agentpg task list --agent HealthAgent` shows looks that are completed."),
        meaning=N_(
            "While nobody looks, nobody is told of anything. Where no contact has an address it is "
            "no more than an info."
        ),
        idea=N_("run a worker with --built-in and AGENTPG_DSN_MONITOR, or `agentpg up`."),
    ),
    Check(
        code="N04",
        title=N_("Critical alerts that nobody acknowledges"),
        levels=("warning",),
        threshold=N_("both contacts were told more than 1 h ago"),
        contact="ops",
        cause=N_("the addresses are read by nobody, or nobody has said that he takes care"),
        proof=N_("`agentpg notify list` shows who has acknowledged it."),
        idea=N_("take care of them, and acknowledge them."),
    ),
    Check(
        code="N05",
        title=N_("What could not be looked at"),
        levels=("unknown",),
        threshold=N_("a check that is unknown"),
        contact="dba",
        meaning=N_(
            "HealthAgent's own, one for each room of the doctor: some of its checks could not "
            "look, so what they would find is not known."
        ),
        idea=N_("grant or install what `agentpg doctor` says is missing."),
    ),
    Check(
        code="N06",
        title=N_("A database that takes no work"),
        levels=("critical",),
        threshold=N_("nothing can be written, or HealthAgent's looks fail"),
        contact="ops",
        cause=N_("its disk is full, it is read-only, or a standby answers"),
        proof=N_("Tasks are completed again."),
        meaning=N_(
            "Said past the database, by the worker itself: one can connect, and the engine can't "
            "work."
        ),
        idea=N_("`agentpg doctor` finds out which it is."),
    ),
)

_BY_CODE = {check.code: check for check in CHECKS}

_TEST = Remedy(sentence=N_("Try each way."), command="agentpg notify test")
_SET = Remedy(
    sentence=N_(
        "Say who they are: AGENTPG_NOTIFY_DBA_EMAIL and AGENTPG_NOTIFY_OPS_EMAIL, or their "
        "webhooks."
    )
)
_SHOW = Remedy(sentence=N_("See who is told what."), command="agentpg notify contacts")
_RUN = Remedy(sentence=N_("Run the built-in agents."), command="agentpg worker --built-in")
_RESUME = Remedy(sentence=N_("Or resume its schedule."), command="agentpg schedule resume health")
_LIST = Remedy(sentence=N_("See them."), command="agentpg notify list")


def find(facts: Facts) -> Sequence[Finding]:
    """What every check says that can be looked at from here."""
    if isinstance(facts.kept, Unlooked):
        grant = _grant(facts)
        rest = (Say(_BY_CODE[code]).unknown(facts.kept, grant) for code in ("N02", "N03", "N04"))
        return (_ways(facts), *rest)
    return (_ways(facts), _messages(facts.kept), _looks(facts, facts.kept), _unheeded(facts.kept))


def _ways(facts: Facts) -> Finding:
    say = Say(_BY_CODE["N01"])
    without = [name for name, ways in facts.ways.items() if not ways]
    if len(without) == len(facts.ways):
        text = N_("nobody is told of alerts: neither dba nor ops has an address")
        return say("info", text, remedies=(_SET, _SHOW))
    if without:
        [name] = without
        other = next(one for one in facts.ways if one != name)
        text = N_("there is no way to {subject}: {other} is told in its place")
        return say("info", text, name, (_SET, _SHOW), other=other)
    return say("ok", N_("both contacts can be told"))


def _messages(kept: Kept) -> Finding:
    say = Say(_BY_CODE["N02"])
    why = kept.last_error or "–"
    if kept.given_up:
        text = N_("{number} messages were given up within 7 days; the last reason: {error}")
        return say("critical", text, remedies=(_TEST,), number=kept.given_up, error=why)
    if kept.waiting:
        text = N_("{number} messages are taken by nobody; the last reason: {error}")
        return say("warning", text, remedies=(_TEST,), number=kept.waiting, error=why)
    return say("ok", N_("no message waits for long"))


def _looks(facts: Facts, kept: Kept) -> Finding:
    say = Say(_BY_CODE["N03"])
    if kept.unlooked is None:
        return say("info", N_("HealthAgent has never looked"), remedies=(_RUN,))
    ago, seconds = amount(kept.unlooked), round(kept.unlooked.total_seconds())
    level = by(seconds, _SILENT_WARNING.total_seconds(), _SILENT_CRITICAL.total_seconds())
    if level == "ok":
        return say("ok", N_("HealthAgent looked {ago} ago"), ago=ago, age_seconds=seconds)
    if not any(facts.ways.values()):
        # Nobody counts on it.
        level = "info"
    text = N_("HealthAgent looked {ago} ago for the last time")
    return say(level, text, "", (_RUN, _RESUME), ago=ago, age_seconds=seconds)


def _unheeded(kept: Kept) -> Finding:
    say = Say(_BY_CODE["N04"])
    if kept.unheeded:
        text = N_("{number} critical alerts are acknowledged by nobody")
        return say("warning", text, remedies=(_LIST,), number=kept.unheeded)
    return say("ok", N_("no critical alert waits for somebody"))


def _grant(facts: Facts) -> Remedy:
    schema, role = identifier(facts.schema), identifier(facts.role)
    names = ("alerts", "outbox", "silences", "looks")
    tables = ", ".join(identifier(facts.schema, one) for one in names)
    return Remedy(
        sentence=N_("Let the role that monitors read the tables of alerts."),
        sql=f"GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT SELECT ON {tables} TO {role};",
    )
