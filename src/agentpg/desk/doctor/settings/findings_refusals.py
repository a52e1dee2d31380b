"""Settings that refuse or end what is asked, G13."""

from __future__ import annotations

from collections.abc import Iterator

from agentpg.db import identifier
from agentpg.desk.check import Say, Unlooked
from agentpg.desk.doctor.settings.facts import Facts, Own
from agentpg.desk.doctor.settings.policy import Policy
from agentpg.desk.doctor.settings.saying import Said, SettingsCheck, refused
from agentpg.desk.doctor.settings.units import in_unit
from agentpg.desk.finding import Finding, Remedy
from agentpg.language import N_

_READS_ONLY = "default_transaction_read_only"
_ENDS = ("statement_timeout", "transaction_timeout")
_ON = ("on", "true", "yes", "1")

# A busy server answers everything that the engine asks within it.
_LEAST_MILLISECONDS = 1000


def _refusals(say: Say, facts: Facts, policy: Policy) -> Said:
    del policy
    for unlooked in (facts.settings, facts.own):
        if isinstance(unlooked, Unlooked):
            return refused(say, unlooked, facts)
    own = () if isinstance(facts.own, Unlooked) else facts.own
    found = (*_of_the_server(say, facts, own), *_of_some(say, facts, own))
    return found or (say("ok", N_("no setting refuses writes, or ends what has just begun")),)


def _of_the_server(say: Say, facts: Facts, own: tuple[Own, ...]) -> Iterator[Finding]:
    if facts.for_all(_READS_ONLY) in _ON and not any(one.name == _READS_ONLY for one in own):
        reset = Remedy(
            sentence=N_("Take it back; it holds for new transactions at once."),
            sql=f"ALTER SYSTEM RESET {_READS_ONLY}; SELECT pg_reload_conf()",
            risk="careful",
        )
        text = N_("{subject} is on for everybody: all transactions are read-only, no task is run")
        yield say("critical", text, _READS_ONLY, (reset,))


def _of_some(say: Say, facts: Facts, own: tuple[Own, ...]) -> Iterator[Finding]:
    for one in own:
        if one.name == _READS_ONLY and one.value.lower() in _ON and _writes(one, facts):
            yield _said(say, one, N_("{whose} is read-only by {subject}: it can run no task"))
        milliseconds = in_unit(one.value, "ms") if one.name in _ENDS else None
        if milliseconds and milliseconds < _LEAST_MILLISECONDS:
            yield _said(say, one, N_("{whose} has {now} for each statement, by {subject}"))


def _writes(one: Own, facts: Facts) -> bool:
    """Whether it is to write: a database, or a role with tables. Others may be meant to read."""
    roles = () if isinstance(facts.roles, Unlooked) else facts.roles
    return not one.role or any(role.owns for role in roles if role.name == one.role)


def _said(say: Say, one: Own, text: str) -> Finding:
    whose = f"ROLE {identifier(one.role)}" if one.role else f"DATABASE {identifier(one.database)}"
    within = f" IN DATABASE {identifier(one.database)}" if one.role and one.database else ""
    reset = Remedy(
        sentence=N_("Take it back, unless somebody has a reason; it holds for new sessions."),
        # Whoever it concerns may change nothing otherwise.
        sql=f"BEGIN READ WRITE; ALTER {whose}{within} RESET {one.name}; COMMIT",
    )
    now = one.value if not one.value.isdigit() else f"{one.value} ms"
    return say(
        "critical" if one.name == _READS_ONLY else "warning",
        text,
        one.name,
        (reset,),
        whose=one.role or one.database,
        now=now,
        role=one.role,
        database=one.database,
    )


REFUSAL_CHECKS = (
    SettingsCheck(
        code="G13",
        title=N_("Settings that refuse or end work"),
        levels=("warning", "critical"),
        threshold=N_(
            "statement_timeout or transaction_timeout of a role or database < 1 s / "
            "default_transaction_read_only on, but for a role without tables"
        ),
        contact="dba",
        cause=N_("it was set for one purpose, such as a move or a report, and holds on"),
        proof=N_("a new session shows the setting's default, and tasks are run."),
        meaning="A role that owns no tables may be meant to read alone; it is not spoken of.",
        idea="`ALTER ROLE … RESET`, `ALTER DATABASE … RESET` or `ALTER SYSTEM RESET`.",
        decide=_refusals,
    ),
)
