"""What is wrong with the settings of a server, G01 to G13: decided on frozen facts."""

from __future__ import annotations

from agentpg.desk.check import Say
from agentpg.desk.doctor.settings.facts import Facts
from agentpg.desk.doctor.settings.findings_files import FILE_CHECKS
from agentpg.desk.doctor.settings.findings_fit import FIT_CHECKS
from agentpg.desk.doctor.settings.findings_refusals import REFUSAL_CHECKS
from agentpg.desk.doctor.settings.findings_switches import SWITCH_CHECKS
from agentpg.desk.doctor.settings.policy import Policy
from agentpg.desk.finding import Finding

CHECKS = (*FILE_CHECKS, *SWITCH_CHECKS, *FIT_CHECKS, *REFUSAL_CHECKS)


def find(facts: Facts, policy: Policy) -> tuple[Finding, ...]:
    """What every check says, in the order of their codes."""
    return tuple(one for check in CHECKS for one in check.decide(Say(check), facts, policy))
