"""The doctor's room for what is slow: findings S01 to S17, who blocks whom, and who takes the
time."""

from __future__ import annotations

from collections.abc import Sequence

from agentpg.db import Database
from agentpg.desk.doctor.disk.looking import as_monitor
from agentpg.desk.doctor.slow.findings import CHECKS, find
from agentpg.desk.doctor.slow.looking import look_at_work
from agentpg.desk.doctor.slow.policy import policy_of
from agentpg.desk.finding import Finding
from agentpg.settings import Settings

__all__ = ["CHECKS", "examine"]


def examine(database: Database, settings: Settings) -> Sequence[Finding]:
    """Look at what runs and what has run, and judge."""
    facts = look_at_work(as_monitor(database, settings), settings, engine=database)
    return find(facts, policy_of(settings))
