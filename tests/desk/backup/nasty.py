"""The database of nasty.sql: making, dumping and restoring it, and looking at its manifest."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agentpg.db import Connection, Database, connect, environment_of, snapshot
from agentpg.desk.backup.model import Check
from agentpg.desk.backup.proof.manifest import Manifest
from agentpg.desk.backup.proof.taking import take_manifest
from agentpg.embedded import EmbeddedServer
from tests.servers import SCHEMA, SharedServer

NASTY = Path(__file__).with_name("nasty.sql")

ROLES = ('"nasty ""owner"""', '"nasty reader"')


@contextmanager
def a_database(server: SharedServer) -> Iterator[Database]:
    """An empty one, as the superuser sees it."""
    with server.database(empty=True) as fresh, connect(fresh) as connection:
        [(name,)] = connection.execute("SELECT current_database()").fetchall()
        connection.close()
        yield Database(server.superuser_dsn(name), SCHEMA)


def manifest_of(database: Database, **options: Any) -> Manifest:
    """The manifest of a database now."""
    with snapshot(database) as connection:
        return take_manifest(connection, database.schema, **options)


def differences(checks: tuple[Check, ...]) -> list[tuple[str, str, str, str]]:
    """All of them: check, subject, what was expected and what was found."""
    return [
        (check.name, one.subject, one.expected, one.found)
        for check in checks
        for one in check.differences
    ]


def outcomes(checks: tuple[Check, ...]) -> set[str]:
    """The different outcomes."""
    return {check.outcome for check in checks}


@contextmanager
def changing(database: Database) -> Iterator[Connection[Any]]:
    """A transaction like the one a manifest is taken in, whose changes are rolled back."""
    with connect(database) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        yield connection
        connection.execute("ROLLBACK")


def copy(server: EmbeddedServer, source: Database, target: Database, folder: Path) -> None:
    """Dump one database and restore it into another, by the programs of this server."""
    tool = server.tool
    environment = environment_of(source.dsn)
    subprocess.run(
        [tool("pg_dump"), "-Fd", "-j2", "-f", folder], env=environment, check=True, timeout=120
    )
    environment = environment_of(target.dsn)
    subprocess.run(
        [tool("pg_restore"), "--exit-on-error", "-j2", "-d", environment["PGDATABASE"], folder],
        env=environment,
        check=True,
        timeout=120,
    )


def make_roles(server: Database) -> None:
    """The roles that it names."""
    with connect(server) as connection:
        for role in ROLES:
            connection.execute(f"CREATE ROLE {role}".encode())


def drop_roles(server: Database) -> None:
    """Remove them, after the last database that names them."""
    with connect(server) as connection:
        for role in ROLES:
            connection.execute(f"DROP ROLE {role}".encode())


def fill_nastily(database: Database) -> None:
    """Make everything in an empty database."""
    with connect(database) as connection:
        connection.execute(NASTY.read_bytes())
