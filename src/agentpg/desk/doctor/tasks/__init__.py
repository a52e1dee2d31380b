"""The doctor's room for the engine's own work: findings T01 to T16."""

from __future__ import annotations

from collections.abc import Sequence

from agentpg.db import Database
from agentpg.desk.doctor.disk.looking import as_monitor
from agentpg.desk.doctor.tasks.findings import CHECKS, find
from agentpg.desk.doctor.tasks.looking import look_at_tasks
from agentpg.desk.doctor.tasks.policy import policy_of
from agentpg.desk.finding import Finding
from agentpg.settings import Settings

__all__ = ["CHECKS", "examine"]


def examine(database: Database, settings: Settings) -> Sequence[Finding]:
    """Look at tasks, workers and schedules, and judge."""
    return find(look_at_tasks(as_monitor(database, settings)), policy_of(settings))
