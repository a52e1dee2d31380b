"""What is wrong with the backups of an installation, B01 to B19: decided on frozen facts.

Each check says one thing, and ok where all is well, so that what was looked at is seen. The
levels and thresholds are in the tables of `findings_….py`, and in `policy.py`.
"""

from __future__ import annotations

from dataclasses import replace

from agentpg.desk.backup.inspection.facts import Facts
from agentpg.desk.backup.inspection.findings_copies import COPY_CHECKS
from agentpg.desk.backup.inspection.findings_place import PLACE_CHECKS
from agentpg.desk.backup.inspection.findings_proof import PROOF_CHECKS
from agentpg.desk.backup.inspection.findings_wal import WAL_CHECKS
from agentpg.desk.backup.inspection.policy import Policy
from agentpg.desk.check import Say, Unlooked
from agentpg.desk.finding import Finding

CHECKS = tuple(
    sorted((*COPY_CHECKS, *PROOF_CHECKS, *WAL_CHECKS, *PLACE_CHECKS), key=lambda check: check.code)
)

# What these look at is not there before the first backup, which B01 says.
_OF_WHAT_IS_THERE = ("B02", "B03", "B04", "B12", "B13", "B17")


def find(facts: Facts, policy: Policy) -> tuple[Finding, ...]:
    """What every check says, in the order of their codes.

    Where there is nothing at all, one says so, and those that would look at it are silent. An
    alert goes by the check: each says one thing, of whichever backup or file it is now.
    """
    silent = _silent(facts, policy)
    return tuple(
        replace(check.decide(Say(check, policy.thresholds), facts, policy), thing="")
        for check in CHECKS
        if check.code not in silent
    )


def _silent(facts: Facts, policy: Policy) -> tuple[str, ...]:
    catalogue = facts.catalogue
    if isinstance(catalogue, Unlooked):
        return ()
    if catalogue.known or catalogue.damaged:
        # Where no drill was ever passed, B03 says so.
        return () if catalogue.last_passed else ("B17",)
    # Whoever has set a target is told that it is not met.
    return _OF_WHAT_IS_THERE if any((policy.rto, policy.rpo)) else (*_OF_WHAT_IS_THERE, "B18")
