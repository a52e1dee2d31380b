"""The doctor's room for the server as a whole: findings H01 to H11."""

from __future__ import annotations

from collections.abc import Sequence

from agentpg.db import Database
from agentpg.desk.doctor.disk.looking import as_monitor
from agentpg.desk.doctor.server.findings import CHECKS, find
from agentpg.desk.doctor.server.looking import look_at_server
from agentpg.desk.doctor.server.policy import Policy
from agentpg.desk.finding import Finding
from agentpg.settings import Settings

__all__ = ["CHECKS", "examine"]


def examine(database: Database, settings: Settings) -> Sequence[Finding]:
    """Look at the server, and judge."""
    return find(look_at_server(as_monitor(database, settings)), Policy())
