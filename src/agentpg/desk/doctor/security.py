"""The doctor's room for security: findings A01 to A56, and E01 to E09 beside the server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agentpg.db import Database
from agentpg.desk.check import Check
from agentpg.desk.finding import Finding
from agentpg.desk.security.audit.findings import CHECKS as OF_SERVER
from agentpg.desk.security.auditing import audit
from agentpg.desk.security.env.findings import CHECKS as AROUND, find
from agentpg.desk.security.env.looking import log_folder, look_around
from agentpg.settings import Settings

__all__ = ["CHECKS", "examine"]

CHECKS: tuple[Check, ...] = (*OF_SERVER, *AROUND)


def examine(database: Database, settings: Settings) -> Sequence[Finding]:
    """Audit the server, and look around the working folder; accepted risks are left out."""
    around = look_around(Path.cwd(), settings, log_folder(database, settings))
    return [*audit(database, settings).counted, *find(around)]
