"""Reading what there is of roles and rights from the catalogue, which every role may read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from agentpg.db import (
    Connection,
    Database,
    Statements,
    class_row,
    connect,
    dict_row,
    driver_errors,
    scalar_row,
    tuple_row,
)
from agentpg.desk.security.roles.facts import (
    Default,
    Function,
    Grant,
    Me,
    Membership,
    Present,
    Relation,
    Role,
    Sessions,
)
from agentpg.desk.security.roles.names import PARTS, RoleNames
from agentpg.desk.security.roles.rights import SERVER_FUNCTIONS
from agentpg.errors import SchemaMissing

T = TypeVar("T")


def look_at_roles(database: Database) -> Present:
    """All of it, in one moment. Raises SchemaMissing, DatabaseUnavailable and its like."""
    with (
        driver_errors(database.target()),
        connect(database, "agentpg security") as connection,
        connection.transaction(),
    ):
        connection.execute(Statements("roles", database.schema)["patience"])
        return read_present(connection, database.schema)


def read_present(
    connection: Connection[Any], schema: str, names: RoleNames | None = None
) -> Present:
    """The same, over a connection; `names` are those of the roles, by default the database's.
    Raises SchemaMissing."""
    return _Look(connection, schema).present(names)


class _Look:
    def __init__(self, connection: Connection[Any], schema: str) -> None:
        self._connection = connection
        self._schema = schema
        self._sql = Statements("roles", schema)

    def present(self, given: RoleNames | None) -> Present:
        me = self._all("me", class_row(Me), schema=self._schema)[0]
        if me.owner is None:
            raise SchemaMissing(f"schema {self._schema}")
        names = given or RoleNames(me.database, me.owner)
        listed = [one for part in PARTS for one in (names.group(part), *names.logins(part))]
        roles = self._all("roles", class_row(Role), names=listed)
        here = {"schema": self._schema}
        return Present(
            me=me,
            schema=self._schema,
            names=names,
            roles={role.name: role for role in roles},
            memberships=self._set(Membership, "memberships", names=listed),
            relations=tuple(self._all("relations", class_row(Relation), **here)),
            functions=tuple(self._all("functions", class_row(Function), **here)),
            grants=self._grants(),
            defaults=self._set(Default, "defaults", owner=me.owner, **here),
            guests=tuple(self._all("guests", scalar_row, names=listed, **here)),
            sessions=tuple(self._all("sessions", class_row(Sessions))),
        )

    def _grants(self) -> dict[Grant, bool]:
        """Each with whether it may be handed on."""
        functions = list(SERVER_FUNCTIONS)
        rows = self._all("grants", dict_row, schema=self._schema, server_functions=functions)
        return {Grant(**row): grantable for row in rows for grantable in [row.pop("grantable")]}

    def _set(self, kind: Callable[..., T], statement: str, **values: Any) -> frozenset[T]:
        return frozenset(kind(*row) for row in self._all(statement, tuple_row, **values))

    def _all(self, statement: str, row: Callable[[Any], Any], **values: Any) -> list[Any]:
        cursor = self._connection.cursor(row_factory=row)
        return cursor.execute(self._sql[statement], values).fetchall()
