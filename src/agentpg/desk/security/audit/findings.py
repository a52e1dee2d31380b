"""What an audit finds, A01 to A56: decided on frozen facts."""

from __future__ import annotations

from agentpg.desk.check import Say
from agentpg.desk.finding import Finding
from agentpg.desk.security.audit.facts import Facts
from agentpg.desk.security.audit.findings_addresses import ADDRESS_CHECKS
from agentpg.desk.security.audit.findings_grants import GRANT_CHECKS
from agentpg.desk.security.audit.findings_logging import LOGGING_CHECKS
from agentpg.desk.security.audit.findings_login import LOGIN_CHECKS
from agentpg.desk.security.audit.findings_objects import OBJECT_CHECKS
from agentpg.desk.security.audit.findings_release import RELEASE_CHECKS
from agentpg.desk.security.audit.findings_roles import ROLE_CHECKS
from agentpg.desk.security.audit.findings_transport import TRANSPORT_CHECKS
from agentpg.desk.security.audit.policy import Policy

_ALL = (
    *ADDRESS_CHECKS,
    *LOGIN_CHECKS,
    *ROLE_CHECKS,
    *GRANT_CHECKS,
    *OBJECT_CHECKS,
    *TRANSPORT_CHECKS,
    *LOGGING_CHECKS,
    *RELEASE_CHECKS,
)

CHECKS = tuple(sorted(_ALL, key=lambda check: check.code))


def find(facts: Facts, policy: Policy) -> tuple[Finding, ...]:
    """What every check says, in the order of their codes."""
    return tuple(one for check in CHECKS for one in check.decide(Say(check), facts, policy))
