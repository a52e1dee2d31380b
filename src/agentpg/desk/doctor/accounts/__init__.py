"""The doctor's room for accounts and the audit log: findings U01 to U08."""

from __future__ import annotations

from collections.abc import Sequence

from agentpg.db import Database
from agentpg.desk.doctor.accounts.facts import look_at_accounts
from agentpg.desk.doctor.accounts.findings import CHECKS, find
from agentpg.desk.finding import Finding
from agentpg.settings import Settings

__all__ = ["CHECKS", "examine"]


def examine(database: Database, settings: Settings) -> Sequence[Finding]:
    """Look at the accounts, their tokens and the end of the audit log, and judge."""
    return find(look_at_accounts(database, settings))
