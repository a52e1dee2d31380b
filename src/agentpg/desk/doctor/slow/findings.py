"""What makes an installation slow, S01 to S17: decided on frozen facts."""

from __future__ import annotations

from agentpg.desk.check import Say
from agentpg.desk.doctor.slow.facts import Facts
from agentpg.desk.doctor.slow.findings_load import LOAD_CHECKS
from agentpg.desk.doctor.slow.findings_locks import LOCK_CHECKS
from agentpg.desk.doctor.slow.findings_log import LOG_CHECKS
from agentpg.desk.doctor.slow.findings_plans import PLAN_CHECKS
from agentpg.desk.doctor.slow.findings_sessions import SESSION_CHECKS
from agentpg.desk.doctor.slow.findings_statements import STATEMENT_CHECKS
from agentpg.desk.doctor.slow.findings_troubles import TROUBLE_CHECKS
from agentpg.desk.doctor.slow.policy import Policy
from agentpg.desk.finding import Finding

CHECKS = (
    *SESSION_CHECKS,
    *LOCK_CHECKS,
    *STATEMENT_CHECKS,
    *LOAD_CHECKS,
    *LOG_CHECKS,
    *PLAN_CHECKS,
    *TROUBLE_CHECKS,
)


def find(facts: Facts, policy: Policy) -> tuple[Finding, ...]:
    """What every check says, in the order of their codes."""
    return tuple(
        one
        for check in CHECKS
        for one in check.decide(Say(check, policy.thresholds), facts, policy)
    )
