"""Looking at tenants, turning them on and off, and binding logins to them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from agentpg.db import (
    Connection,
    Database,
    LockNotAvailable,
    Statements,
    class_row,
    connect,
    driver_errors,
)
from agentpg.desk.security.roles.names import PARTS, RoleNames
from agentpg.desk.security.tenants.facts import TABLES, Login, SharedTable, Tenants, unfit
from agentpg.errors import LoginNotForTenants, PermissionDenied, RolesNotThere, SchemaMissing
from agentpg.language import N_

# Each try gives way to whoever waits behind it; see sql/tenants.sql for how long one waits.
_TRIES = 60
_BETWEEN_SECONDS = 0.5


def look_at_tenants(database: Database) -> Tenants:
    """All of it. Raises SchemaMissing, DatabaseUnavailable and its like."""
    with driver_errors(database.target()), connect(database, "agentpg security") as connection:
        return read_tenants(connection, database.schema)


def read_tenants(connection: Connection[Any], schema: str) -> Tenants:
    """The same, over a connection. Raises SchemaMissing."""
    sql, roles = Statements("tenants", schema), Statements("roles", schema)
    [me] = connection.execute(roles["me"], {"schema": schema}).fetchall()
    names = RoleNames(me[7], me[10] or "")
    tables = connection.cursor(row_factory=class_row(SharedTable))
    found = tables.execute(sql["tables"], {"schema": schema, "tables": list(TABLES)}).fetchall()
    if len(found) < len(TABLES):
        raise SchemaMissing(f"schema {schema}")
    logins = connection.cursor(row_factory=class_row(Login))
    listed = {"names": [names.group(part) for part in PARTS]}
    return Tenants(
        schema=schema,
        names=names,
        tables=tuple(found),
        logins=tuple(logins.execute(sql["logins"], _groups(names)).fetchall()),
        roles=frozenset(row[0] for row in connection.execute(roles["roles"], listed)),
    )


def run(database: Database, statements: Sequence[str]) -> None:
    """Run them in one transaction, again and again until no lock is in the way.

    Raises PermissionDenied for a role that does not own the schema, and RolesNotThere.
    """
    with driver_errors(database.target()), connect(database, "agentpg security") as connection:
        for left in reversed(range(_TRIES)):
            try:
                _run_once(connection, database.schema, statements)
            except LockNotAvailable:
                if not left:
                    raise
                time.sleep(_BETWEEN_SECONDS)
            else:
                return


def check_roles(tenants: Tenants) -> None:
    """Raise RolesNotThere where there is no group of clients to confine, and PermissionDenied
    where the tables are another's."""
    client = tenants.names.group("client")
    if client not in tenants.roles:
        raise RolesNotThere(roles=client)
    if not all(table.owned for table in tenants.tables):
        raise PermissionDenied(N_("the tables are another role's"))


def bind(database: Database, login: str, tenant: str) -> None:
    """Bind a login to a tenant, whatever it was bound to before.

    Raises LoginNotForTenants for one that could get past its tenant, or is no client.
    """
    with driver_errors(database.target()), connect(database, "agentpg security") as connection:
        _refuse_unfit(connection, database.schema, login)
        values = {"login": login, "tenant": tenant}
        connection.execute(Statements("tenants", database.schema)["bind"], values)


def unbind(database: Database, login: str) -> str | None:
    """Bind a login to nobody; the tenant that it worked for, None where it did for none."""
    with driver_errors(database.target()), connect(database, "agentpg security") as connection:
        sql = Statements("tenants", database.schema)
        row = connection.execute(sql["unbind"], {"login": login}).fetchone()
    return row[0] if row else None


def _run_once(connection: Connection[Any], schema: str, statements: Sequence[str]) -> None:
    with connection.transaction():
        connection.execute(Statements("tenants", schema)["patience"])
        for statement in statements:
            connection.execute(statement.encode())


def _refuse_unfit(connection: Connection[Any], schema: str, login: str) -> None:
    names = read_tenants(connection, schema).names
    cursor = connection.cursor(row_factory=class_row(Login))
    values = {**_groups(names), "login": login}
    found = cursor.execute(Statements("tenants", schema)["login"], values).fetchone()
    reason = N_("there is no such role") if found is None else unfit(found, names)
    if reason is not None:
        raise LoginNotForTenants(reason, login=login, client=names.group("client"))


def _groups(names: RoleNames) -> dict[str, Any]:
    others = [names.group(part) for part in PARTS if part != "client"]
    return {"client": names.group("client"), "others": others}
