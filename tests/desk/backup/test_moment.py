"""Whether others changed the schema meanwhile."""

from __future__ import annotations

import pytest

from agentpg.db import Database, Statements, connect
from agentpg.desk.backup.proof.moment import catalogue_of


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE extra (a int)",
        "ALTER TABLE tasks SET (fillfactor = 70)",
        "DROP INDEX tasks_status_idx",
        "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TYPE mood AS ENUM ('a')",
        "ALTER TABLE users ADD CHECK (true)",
    ],
)
def test_catalogue_changes_with_every_object(database: Database, change: str) -> None:
    sql = Statements("backup", database.schema)
    with connect(database) as connection:
        before = catalogue_of(connection, sql)
        assert catalogue_of(connection, sql) == before
        connection.execute(change.encode())
        assert catalogue_of(connection, sql) != before


def test_it_stays_with_what_is_no_change(database: Database) -> None:
    sql = Statements("backup", database.schema)
    with connect(database) as connection:
        connection.execute("CREATE TYPE mood AS ENUM ('a')")
        before = catalogue_of(connection, sql)
        for harmless in ("ANALYZE", "VACUUM tasks", "CREATE TEMP TABLE passing (id int)"):
            connection.execute(harmless.encode())
        assert catalogue_of(connection, sql) == before
