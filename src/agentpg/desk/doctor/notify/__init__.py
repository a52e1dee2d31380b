"""The doctor's room for what people are told: findings N01 to N06."""

from __future__ import annotations

from collections.abc import Sequence

from agentpg.db import Database
from agentpg.desk.doctor.notify.facts import look_at_notices
from agentpg.desk.doctor.notify.findings import CHECKS, find
from agentpg.desk.finding import Finding
from agentpg.settings import Settings

__all__ = ["CHECKS", "examine"]


def examine(database: Database, settings: Settings) -> Sequence[Finding]:
    """Look at the contacts, the messages and HealthAgent, and judge."""
    return find(look_at_notices(database, settings))
