"""What is wrong with a server as a whole, H01 to H11: decided on frozen facts.

What other rooms say is not said again: slots, WAL and disks are in `disk`, checksums and
archiving in `backup`, certificates in `connection`, versions of collations in
`vacuum`, what comes from memory in `slow`.
"""

from __future__ import annotations

from agentpg.desk.check import Say
from agentpg.desk.doctor.server.facts import Facts
from agentpg.desk.doctor.server.findings_machine import MACHINE_CHECKS
from agentpg.desk.doctor.server.findings_state import STATE_CHECKS
from agentpg.desk.doctor.server.findings_use import USE_CHECKS
from agentpg.desk.doctor.server.policy import Policy
from agentpg.desk.finding import Finding

CHECKS = tuple(sorted((*USE_CHECKS, *STATE_CHECKS, *MACHINE_CHECKS), key=lambda check: check.code))


def find(facts: Facts, policy: Policy) -> tuple[Finding, ...]:
    """What every check says, in the order of their codes."""
    return tuple(one for check in CHECKS for one in check.decide(Say(check), facts, policy))
