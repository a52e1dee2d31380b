"""The doctor's room for disks: findings D01 to D16, and the plan for a disk that is full."""

from __future__ import annotations

from collections.abc import Sequence

from agentpg.db import Database
from agentpg.desk.doctor.disk.findings import CHECKS, find
from agentpg.desk.doctor.disk.looking import as_monitor, look_at_disks
from agentpg.desk.doctor.disk.policy import policy_of
from agentpg.desk.finding import Finding
from agentpg.settings import Settings

__all__ = ["CHECKS", "examine"]


def examine(database: Database, settings: Settings) -> Sequence[Finding]:
    """Look at the disks, and judge."""
    policy = policy_of(settings)
    return find(look_at_disks(as_monitor(database, settings), settings, policy), policy)
