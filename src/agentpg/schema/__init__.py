"""The schema in the database: install, upgrade, verify, adopt, show."""

from agentpg.schema.migrations import (
    Migration,
    check_version,
    migrate,
    plan,
    released_migrations,
    script,
)
from agentpg.schema.verification import Difference, verify

__all__ = [
    "Difference",
    "Migration",
    "check_version",
    "migrate",
    "plan",
    "released_migrations",
    "script",
    "verify",
]
