"""A check of settings: what it says of the facts under a policy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from agentpg.desk.check import Check, Say, Unlooked
from agentpg.desk.doctor.settings.facts import Facts
from agentpg.desk.doctor.settings.policy import Policy
from agentpg.desk.doctor.settings.proposal import Proposal, Topic
from agentpg.desk.doctor.settings.proposing import propose
from agentpg.desk.finding import Finding, Remedy
from agentpg.language import N_

Said = tuple[Finding, ...]

TELL_MACHINE = Remedy(
    sentence=N_("Say what the server's machine has, or run it there."),
    command="agentpg tune settings --ram 16GiB --cpus 4 --disk ssd",
)

TELL_DISK = Remedy(
    sentence=N_("Say what the server's disk is."), command="agentpg tune settings --disk ssd"
)

_SENTENCE = N_("{subject} is {now}, and should be {proposed}: {because}")
_ROLE_SENTENCE = N_("{setting} of the role {role} is {now}: {because}")


_MOST_NAMED = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsCheck(Check):
    """A check with its decision: a finding for each subject."""

    decide: Callable[[Say, Facts, Policy], Said]


def refused(
    say: Say, what: Unlooked, facts: Facts, sql: str = "GRANT pg_monitor TO {role}"
) -> Said:
    """It could not be looked at: for want of a right, or of the server."""
    grant = Remedy(sentence=N_("Let the role see it."), sql=sql.format(role=facts.role))
    return (say.unknown(what, *(() if isinstance(facts.server, Unlooked) else (grant,))),)


def of_topic(say: Say, facts: Facts, policy: Policy, topic: Topic, well: str, **said: Any) -> Said:
    """What is proposed for a topic, or that all is `well` there."""
    if isinstance(facts.settings, Unlooked):
        return refused(say, facts.settings, facts)
    found = [one for one in propose(facts, policy) if one.topic == topic]
    return proposed(say, found) or (say("ok", well, **said),)


def proposed(say: Say, proposals: Iterable[Proposal]) -> Said:
    """A finding for each proposal that matters, and one for all that would only be better."""
    listed = list(proposals)
    better = [one for one in listed if one.level == "info"]
    found = [_proposed(say, one) for one in listed if one.level != "info"]
    if len(better) == 1:
        found.append(_proposed(say, better[0]))
    elif better:
        found.append(_better(say, better))
    return tuple(found)


def _better(say: Say, proposals: Sequence[Proposal]) -> Finding:
    named = [f"{one.label} {one.now or '–'} → {one.proposed}" for one in proposals]
    return say(
        "info",
        N_("{number} settings could be better: {settings}"),
        "",
        (
            Remedy(
                sentence=N_("See the reasons, and set what fits."),
                command="agentpg tune settings",
                sql="; ".join(one.sql for one in proposals if not one.pinned),
            ),
        ),
        number=len(proposals),
        settings=", ".join(named[:_MOST_NAMED]) + (", …" if named[_MOST_NAMED:] else ""),
        proposals={one.label: one.proposed for one in proposals},
    )


def _proposed(say: Say, one: Proposal) -> Finding:
    return say(
        one.level,
        _ROLE_SENTENCE if one.role else _SENTENCE,
        one.label,
        (_apply(one),),
        **{
            **one.values,
            "setting": one.name,
            "role": one.role,
            "now": one.now or "–",
            "proposed": one.proposed,
        },
        because=one.why,
        source=one.source,
        restart=one.restart,
    )


def _apply(one: Proposal) -> Remedy:
    if one.pinned:
        return Remedy(
            sentence=N_(
                "Change it there, and restart the server: ALTER SYSTEM does not win over it."
            )
        )
    sentence, sql = N_("Set it; no restart is needed."), f"{one.sql}; SELECT pg_reload_conf()"
    if one.restart:
        sentence, sql = N_("Set it; it holds from the next restart on."), one.sql
    elif one.role:
        sentence, sql = N_("Set it; it holds for new sessions."), one.sql
    return Remedy(sentence=sentence, command=f"agentpg tune settings --apply {one.label}", sql=sql)
