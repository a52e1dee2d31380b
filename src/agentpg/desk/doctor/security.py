"""The doctor's room for security: findings A01 to A56 and W01 to W04 of the server, R01 to R06 of
its roles, and E01 to E12 beside it."""

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
from agentpg.desk.security.passwords.findings import (
    CHECKS as OF_PASSWORDS,
    find as find_in_passwords,
    policy_of,
)
from agentpg.desk.security.passwords.looking import look_at_passwords
from agentpg.desk.security.roles.findings import CHECKS as OF_ROLES, examine_roles
from agentpg.settings import Settings

__all__ = ["CHECKS", "examine"]

CHECKS: tuple[Check, ...] = (*OF_SERVER, *OF_ROLES, *AROUND, *OF_PASSWORDS)


def examine(database: Database, settings: Settings) -> Sequence[Finding]:
    """Audit the server, and look around the working folder; accepted risks are left out."""
    around = look_around(Path.cwd(), settings, log_folder(database, settings))
    passwords = find_in_passwords(look_at_passwords(database, settings), policy_of(settings))
    roles = examine_roles(database)
    return [*audit(database, settings).counted, *roles, *find(around), *passwords]
