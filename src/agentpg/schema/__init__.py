"""The schema in the database: install, upgrade, verify, adopt, show."""

from agentpg.schema.adoption import Adoption, Wishes, adopt, plan_adoption
from agentpg.schema.migrations import (
    Migration,
    bring_up_to_date,
    check_version,
    migrate,
    plan,
    released_migrations,
    script,
)
from agentpg.schema.searchpath import remaining_search_path
from agentpg.schema.verification import Difference, present_schema, verify

__all__ = [
    "Adoption",
    "Difference",
    "Migration",
    "Wishes",
    "adopt",
    "bring_up_to_date",
    "check_version",
    "migrate",
    "plan",
    "plan_adoption",
    "present_schema",
    "released_migrations",
    "remaining_search_path",
    "script",
    "verify",
]
