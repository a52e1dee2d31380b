"""The doctor's room for the server's settings: findings G01 to G13."""

from __future__ import annotations

from collections.abc import Sequence

from agentpg.db import Database
from agentpg.desk.doctor.disk.looking import as_monitor
from agentpg.desk.doctor.settings.findings import CHECKS, find
from agentpg.desk.doctor.settings.looking import look_at_settings
from agentpg.desk.doctor.settings.policy import Policy
from agentpg.desk.finding import Finding
from agentpg.settings import Settings

__all__ = ["CHECKS", "examine"]


def examine(database: Database, settings: Settings) -> Sequence[Finding]:
    """Look at the settings, and judge."""
    return find(look_at_settings(as_monitor(database, settings)), Policy())
