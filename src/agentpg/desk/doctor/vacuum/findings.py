"""What is wrong with the upkeep of a database, V01 to V13: decided on frozen facts.

Where a table is behind because something hinders vacuum, what hinders it comes first, and is as
urgent as what it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agentpg.desk.check import Say
from agentpg.desk.doctor.vacuum.facts import Facts
from agentpg.desk.doctor.vacuum.findings_age import AGE_CHECKS
from agentpg.desk.doctor.vacuum.findings_catalogue import CATALOGUE_CHECKS
from agentpg.desk.doctor.vacuum.findings_storage import STORAGE_CHECKS
from agentpg.desk.doctor.vacuum.findings_tables import TABLE_CHECKS
from agentpg.desk.doctor.vacuum.policy import Policy
from agentpg.desk.finding import LEVELS, Finding

_BAD = ("warning", "critical")

CHECKS = (*TABLE_CHECKS, *AGE_CHECKS, *STORAGE_CHECKS, *CATALOGUE_CHECKS)


def find(facts: Facts, policy: Policy) -> tuple[Finding, ...]:
    """What every check says, what hinders first and else in the order of their codes."""
    said = [one for check in CHECKS for one in check.decide(Say(check), facts, policy)]
    return tuple(_causes_first(said))


def _causes_first(findings: Sequence[Finding]) -> list[Finding]:
    found = list(findings)
    for table in [one for one in findings if one.code == "V01" and one.level in _BAD]:
        cause = next((one for one in found if _hinders(one, table)), None)
        if cause is not None:
            found.remove(cause)
            level = max(cause.level, table.level, key=LEVELS.index)
            found.insert(0, replace(cause, level=level))
    return found


def _hinders(cause: Finding, table: Finding) -> bool:
    """Whether it is why a table is behind."""
    if cause.level not in _BAD:
        return False
    holder = str(table.evidence.get("holder") or "")
    if cause.code == "V04":
        return not table.evidence["autovacuum"] and cause.subject in (
            *("autovacuum", "track_counts"),
            table.subject,
        )
    return cause.code == "V08" and bool(holder) and holder.partition(" (")[0] == cause.subject
