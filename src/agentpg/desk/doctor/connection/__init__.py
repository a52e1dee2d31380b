"""The doctor's room for connections: findings C00 to C40.

It works where nothing else does: `looking` gathers facts step by step, `findings` judges them.
"""

from __future__ import annotations

from collections.abc import Sequence

from agentpg.db import Database
from agentpg.desk.doctor.connection.findings import CHECKS, judge
from agentpg.desk.doctor.connection.looking import look
from agentpg.desk.finding import Finding
from agentpg.settings import Settings

__all__ = ["CHECKS", "examine"]


def examine(database: Database, settings: Settings) -> Sequence[Finding]:
    """Go to the database step by step, and say what stops."""
    return judge(look(database.dsn, settings))
