"""Who gets in from where, and by what proof; findings L01 to L18, those of TLS included."""

from __future__ import annotations

from collections.abc import Sequence

from agentpg.db import Database
from agentpg.desk.finding import Finding
from agentpg.desk.security.addresses.findings import CHECKS, find
from agentpg.desk.security.addresses.looking import look_at_addresses
from agentpg.desk.security.addresses.policy import policy_of
from agentpg.settings import Settings

__all__ = ["CHECKS", "examine"]


def examine(database: Database, settings: Settings) -> Sequence[Finding]:
    """Look at pg_hba.conf, TLS and the sessions, and judge by effect."""
    return find(look_at_addresses(database, settings), policy_of(settings))
