"""Databases over which a backup may stumble: their names, encodings, limits and functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from agentpg.db import Database, connect, identifier
from agentpg.desk.backup.creating import CreateOptions, create_backup
from agentpg.desk.backup.drilling import DrillOptions, run_drill
from agentpg.desk.backup.making.base import read_cluster
from agentpg.desk.backup.proof.holding import exact_moment
from agentpg.desk.backup.storage.folder import Folder
from tests.servers import PG_BIN, SharedServer
from tests.waiting import eventually

Options = Callable[..., CreateOptions]

_NAME = 'it\'s "100%" = a 데이터'

# Each fits better, by its types, what is asked of the catalogue than the server's own.
_HIJACK = """
CREATE SCHEMA ahead;
CREATE FUNCTION ahead.catch() RETURNS bool LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'somebody else''s function was called'; END $$;
CREATE FUNCTION ahead.quote_ident(name) RETURNS text LANGUAGE sql AS 'SELECT ahead.catch()::text';
CREATE FUNCTION ahead.concat_ws(text, bigint, numeric) RETURNS text LANGUAGE sql
AS 'SELECT ahead.catch()::text';
CREATE FUNCTION ahead.pg_table_size(oid) RETURNS bigint LANGUAGE sql
AS 'SELECT ahead.catch()::int::bigint';
CREATE FUNCTION ahead.compare(oid, int) RETURNS bool LANGUAGE sql AS 'SELECT ahead.catch()';
CREATE OPERATOR ahead.>= (leftarg = oid, rightarg = int, function = ahead.compare);
CREATE OPERATOR ahead.<> (leftarg = oid, rightarg = int, function = ahead.compare);
CREATE FUNCTION ahead.gather(text, text, text) RETURNS text LANGUAGE sql
AS 'SELECT ahead.catch()::text';
CREATE AGGREGATE ahead.jsonb_object_agg(text, text) (sfunc = ahead.gather, stype = text);
"""


def _ignore(_: object) -> None:
    return


@pytest.fixture
def superuser(database: Database, superuser_dsn: Callable[..., str]) -> Database:
    """An installation's database, as the superuser."""
    return Database(superuser_dsn(database.name()), database.schema)


@pytest.fixture
def odd(shared_server: SharedServer, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database with an odd name and an encoding, as the superuser."""
    name = identifier(_NAME if request.param == "UTF8" else request.param)
    with connect(Database(shared_server.superuser_dsn())) as connection:
        connection.execute(
            f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{request.param}'"
            " LOCALE_PROVIDER libc LOCALE 'C'".encode()
        )
        try:
            yield Database(shared_server.superuser_dsn(_NAME if "100" in name else request.param))
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.mark.parametrize("odd", ["UTF8", "EUC_KR", "SQL_ASCII"], indirect=True)
def test_names_and_encodings_are_no_hindrance(
    odd: Database, folder: Folder, options: Options, tmp_path: Path
) -> None:
    with psycopg.connect(odd.dsn, client_encoding="UTF8", autocommit=True) as connection:
        connection.execute('CREATE SCHEMA "%(schema)s"')
        connection.execute('CREATE TABLE "%(schema)s"."100%" (id serial, "표 %" text)')
        connection.execute("""INSERT INTO "%(schema)s"."100%" ("표 %") VALUES ('값 %s'), ('')""")
    backup = create_backup(odd, folder, options(), _ignore)
    assert backup.rows == 2
    found = run_drill(
        folder, backup.name, DrillOptions(parent=tmp_path / "scratch", pg_bin=PG_BIN), _ignore
    )
    bad = {c.name: (c.reason, c.differences) for c in found.checks if c.outcome != "passed"}
    assert bad == {}


def test_what_is_lacking_at_the_source_is_no_fault_of_the_backup(
    superuser: Database, folder: Folder, options: Options, tmp_path: Path
) -> None:
    """A constraint that old rows break, and, where there are such, keys over periods."""
    with connect(superuser) as connection:
        connection.execute("CREATE TABLE old (n int); INSERT INTO old VALUES (-1)")
        connection.execute("ALTER TABLE old ADD CONSTRAINT later CHECK (n > 0) NOT VALID")
        if connection.info.server_version >= 180000:
            connection.execute(
                "CREATE TABLE whole (k int4range, at daterange,"
                " PRIMARY KEY (k, at WITHOUT OVERLAPS));"
                "CREATE TABLE part (k int4range, at daterange,"
                " FOREIGN KEY (k, PERIOD at) REFERENCES whole (k, PERIOD at));"
                "INSERT INTO whole VALUES ('[1,1]', '[2026-01-01,2027-01-01)');"
                "INSERT INTO part VALUES ('[1,1]', '[2026-03-01,2026-03-02)')"
            )
    backup = create_backup(superuser, folder, options(), _ignore)
    found = run_drill(
        folder, backup.name, DrillOptions(parent=tmp_path / "scratch", pg_bin=PG_BIN), _ignore
    )
    assert found.outcome == "passed"
    [constraints] = [check for check in found.checks if check.name == "constraints"]
    assert (
        constraints.reason
        == "1 constraints were never proved for all rows: later on agentic_ai.old"
    )


def test_nobody_elses_functions_are_called(
    superuser: Database, folder: Folder, options: Options
) -> None:
    with connect(superuser) as connection:
        connection.execute(_HIJACK)
        name = identifier(superuser.name())
        connection.execute(
            f"ALTER DATABASE {name} SET search_path = agentic_ai, ahead, public".encode()
        )
    with connect(superuser) as connection, pytest.raises(psycopg.errors.RaiseException):
        connection.execute("SELECT quote_ident(nspname) FROM pg_namespace")
    create_backup(superuser, folder, options(), _ignore)
    read_cluster(superuser)
    with exact_moment(superuser, "now"):
        pass


def test_a_limit_of_idle_transactions_does_not_end_the_moment(superuser: Database) -> None:
    with connect(superuser) as connection:
        name = identifier(superuser.name())
        connection.execute(
            f"ALTER DATABASE {name} SET idle_in_transaction_session_timeout = '100ms'".encode()
        )
    with (
        exact_moment(superuser, "now") as named,
        closing(connect(superuser, autocommit=False)) as other,
        connect(superuser) as watching,
    ):
        other.execute("SELECT 1")
        there = "SELECT FROM pg_stat_activity WHERE pid = %s"
        pid = other.info.backend_pid
        eventually(lambda: not watching.execute(there, [pid]).fetchall())
        assert named.connection.execute("SELECT 1").fetchall() == [(1,)]
