"""What is wrong with the engine's work, T01 to T16: decided on frozen facts."""

from __future__ import annotations

from agentpg.desk.check import Say
from agentpg.desk.doctor.tasks.facts import Facts
from agentpg.desk.doctor.tasks.findings_engine import ENGINE_CHECKS
from agentpg.desk.doctor.tasks.findings_results import RESULT_CHECKS
from agentpg.desk.doctor.tasks.findings_schema import SCHEMA_CHECKS
from agentpg.desk.doctor.tasks.findings_work import WORK_CHECKS
from agentpg.desk.doctor.tasks.policy import Policy
from agentpg.desk.finding import Finding

_ALL = (*WORK_CHECKS, *RESULT_CHECKS, *ENGINE_CHECKS, *SCHEMA_CHECKS)

CHECKS = tuple(sorted(_ALL, key=lambda check: check.code))


def find(facts: Facts, policy: Policy) -> tuple[Finding, ...]:
    """What every check says, in the order of their codes."""
    return tuple(
        one
        for check in CHECKS
        for one in check.decide(Say(check, policy.thresholds), facts, policy)
    )
