"""Installations with roles, and what is left of them in the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from agentpg.db import Database, connect
from agentpg.desk.security.roles.applying import apply_roles, plan_roles
from agentpg.desk.security.roles.names import PARTS, RoleNames

SuperuserDsn = Callable[..., str]


def all_names(database: Database) -> list[str]:
    """Every role that an installation may have, but for its owner."""
    names = RoleNames(database.name())
    groups = [names.group(part) for part in PARTS if part != "admin"]
    return [*groups, *(login for part in PARTS for login in names.logins(part))]


def remove_roles(superuser: Database, roles: list[str]) -> None:
    """Drop those that are there, with all that was granted to them in this database."""
    with connect(superuser) as connection:
        for role in roles:
            known = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone()
            if known is not None:
                connection.execute(f'DROP OWNED BY "{role}"'.encode())
                connection.execute(f'DROP ROLE "{role}"'.encode())


@pytest.fixture
def superuser(database: Database, superuser_dsn: SuperuserDsn) -> Iterator[Database]:
    """The fresh database as the superuser; its roles are removed afterwards."""
    found = Database(superuser_dsn(database.name()), database.schema)
    yield found
    owned = all_names(database)
    # The logins of the owner are the server's, not this database's.
    remove_roles(found, owned)


@pytest.fixture
def with_roles(superuser: Database) -> Database:
    """The same with all groups, as the superuser."""
    left = apply_roles(superuser, plan_roles(superuser))
    assert left.is_done, left.in_order
    return superuser
