"""What is wrong with the indexes of a database, I01 to I10: decided on frozen facts."""

from __future__ import annotations

from collections.abc import Sequence

from agentpg.desk.check import Say
from agentpg.desk.doctor.indexes.facts import Facts
from agentpg.desk.doctor.indexes.findings_missing import MISSING_CHECKS
from agentpg.desk.doctor.indexes.findings_surplus import SURPLUS_CHECKS
from agentpg.desk.doctor.indexes.findings_worn import WORN_CHECKS
from agentpg.desk.doctor.indexes.policy import Policy
from agentpg.desk.finding import Finding

CHECKS = tuple(
    sorted((*MISSING_CHECKS, *SURPLUS_CHECKS, *WORN_CHECKS), key=lambda check: check.code)
)


def find(facts: Facts, policy: Policy) -> Sequence[Finding]:
    """What every check says, in the order of their codes."""
    return tuple(one for check in CHECKS for one in check.decide(Say(check), facts, policy))
