"""The doctor's room for backups: findings B01 to B19."""

from __future__ import annotations

from collections.abc import Sequence

from agentpg.db import Database, secured
from agentpg.desk.backup.inspection.facts import Facts
from agentpg.desk.backup.inspection.findings import CHECKS, find
from agentpg.desk.backup.inspection.looking import look_at_backups
from agentpg.desk.backup.inspection.policy import policy_of
from agentpg.desk.finding import Finding
from agentpg.settings import Settings

__all__ = ["CHECKS", "examine", "look"]


def examine(database: Database, settings: Settings) -> Sequence[Finding]:
    """Look at the backups as the role that makes them, and judge."""
    return look(database, settings)[1]


def look(database: Database, settings: Settings) -> tuple[Facts, Sequence[Finding]]:
    """The same, with the facts that it was judged by."""
    database = database.by_way_of(secured(settings.dsn_backup, settings))
    facts = look_at_backups(database, settings)
    return facts, find(facts, policy_of(settings))
