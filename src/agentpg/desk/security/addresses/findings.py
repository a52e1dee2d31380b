"""What is wrong with who gets in, L01 to L18: decided on frozen facts, by effect."""

from __future__ import annotations

from agentpg.desk.check import Say
from agentpg.desk.finding import Finding
from agentpg.desk.security.addresses.case import Case, case_of
from agentpg.desk.security.addresses.facts import Facts
from agentpg.desk.security.addresses.findings_effect import EFFECT_CHECKS
from agentpg.desk.security.addresses.findings_file import FILE_CHECKS
from agentpg.desk.security.addresses.findings_tls import TLS_CHECKS
from agentpg.desk.security.addresses.policy import Policy

CHECKS = tuple(sorted((*FILE_CHECKS, *EFFECT_CHECKS, *TLS_CHECKS), key=lambda check: check.code))

# Those that `agentpg security tls check` says.
TLS_CODES = tuple(check.code for check in TLS_CHECKS)


def find(facts: Facts, policy: Policy) -> tuple[Finding, ...]:
    """What every check says, in the order of their codes."""
    case: Case = case_of(facts, policy)
    return tuple(
        one for check in CHECKS for one in check.decide(Say(check, policy.thresholds), case)
    )
