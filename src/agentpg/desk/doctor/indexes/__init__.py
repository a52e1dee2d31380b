"""The doctor's room for indexes: findings I01 to I10."""

from __future__ import annotations

from collections.abc import Sequence

from agentpg.db import Database, secured
from agentpg.desk.doctor.indexes.findings import CHECKS, find
from agentpg.desk.doctor.indexes.looking import look_at_indexes
from agentpg.desk.doctor.indexes.policy import Policy
from agentpg.desk.finding import Finding
from agentpg.settings import Settings

__all__ = ["CHECKS", "examine"]


def examine(database: Database, settings: Settings) -> Sequence[Finding]:
    """Look at the indexes as the role that sees most, and judge."""
    database = database.by_way_of(secured(settings.dsn_monitor, settings))
    policy = Policy()
    return find(look_at_indexes(database, policy), policy)
