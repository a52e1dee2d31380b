"""The doctor's room for vacuum and what it keeps in order: findings V01 to V13."""

from __future__ import annotations

from collections.abc import Sequence

from agentpg.db import Database
from agentpg.desk.doctor.disk.looking import as_monitor
from agentpg.desk.doctor.vacuum.findings import CHECKS, find
from agentpg.desk.doctor.vacuum.looking import look_at_upkeep
from agentpg.desk.doctor.vacuum.policy import Policy
from agentpg.desk.finding import Finding
from agentpg.settings import Settings

__all__ = ["CHECKS", "examine"]


def examine(database: Database, settings: Settings) -> Sequence[Finding]:
    """Look at the upkeep, and judge."""
    policy = Policy()
    return find(look_at_upkeep(as_monitor(database, settings), policy), policy)
