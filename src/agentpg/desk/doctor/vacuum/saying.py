"""A check of upkeep: what it says of the facts under a policy."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass

from agentpg.desk.check import Check, Say, Unlooked
from agentpg.desk.doctor.vacuum.facts import Facts
from agentpg.desk.doctor.vacuum.policy import Policy
from agentpg.desk.finding import Finding, Remedy
from agentpg.language import N_

Said = tuple[Finding, ...]

STANDBY = Unlooked(N_("a standby does not count rows; ask the primary"))


@dataclass(frozen=True, slots=True, kw_only=True)
class VacuumCheck(Check):
    """A check with its decision: a finding for each subject."""

    decide: Callable[[Say, Facts, Policy], Said]


def monitor(facts: Facts) -> Remedy:
    """What lets the role see it."""
    sentence = N_("Let the role see it.")
    return Remedy(sentence=sentence, sql=f"GRANT pg_monitor TO {facts.role}")


def no_answer(say: Say, what: Unlooked, facts: Facts) -> Said:
    """It could not be looked at: for want of a right, or of the server."""
    server = facts.server
    blind = not isinstance(server, Unlooked) and not server.sees_all
    return (say.unknown(what, *((monitor(facts),) if blind else ())),)


def is_standby(facts: Facts) -> bool:
    """Whether what is counted is counted elsewhere."""
    return not isinstance(facts.server, Unlooked) and facts.server.in_recovery


def left_out(facts: Facts) -> int:
    """How many tables have passed a point of theirs and were not looked at."""
    if isinstance(facts.tables, Unlooked) or not facts.tables:
        return 0
    return facts.tables[0].found - len(facts.tables)


def vacuum_command(name: str) -> str:
    """The command that vacuums a table and counts it anew."""
    return f"agentpg tune vacuum {shlex.quote(name)}"


def percent(share: float) -> int:
    """A share as people say it; what is not quite there is not called so."""
    return int(share * 100)


def some(names: list[str], most: int = 5) -> str:
    """A few names, and how many more there are."""
    left = len(names) - most
    return ", ".join(names[:most]) + (f" (+{left})" if left > 0 else "")
