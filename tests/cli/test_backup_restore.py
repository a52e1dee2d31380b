"""`agentpg backup drill` and `restore`."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentpg.db import Database, connect
from agentpg.desk.backup.restore.swapping import drop_databases, kept_databases
from tests.cli.conftest import Call
from tests.servers import PG_BIN

pytestmark = pytest.mark.one_server


@pytest.fixture(autouse=True)
def programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the version under test."""
    monkeypatch.setenv("AGENTPG_PG_BIN", PG_BIN)


@pytest.fixture
def server(installed: Database, superuser_dsn: Callable[..., str]) -> Database:
    """The server as its superuser, with a backup of the installation."""
    return Database(superuser_dsn(installed.name()))


@pytest.fixture
def made(call: Call, server: Database) -> str:
    """The name of a backup."""
    called = call("backup", "create", "--json")
    assert called.code == 0, called.err
    return str(json.loads(called.out)["name"])


@pytest.fixture
def into(server: Database) -> Iterator[str]:
    """A database to restore into, which goes with what was kept."""
    name = f"cli_{secrets.token_hex(4)}"
    yield name
    drop_databases(server, [name, *kept_databases(server, name)])


def test_a_drill_tells_what_it_found(call: Call, made: str, home: Path) -> None:
    called = call("backup", "drill", "--json")
    document = json.loads(called.out)
    assert called.code == {"passed": 0, "unknown": 6}[document["outcome"]]
    assert document["backup"] == made
    assert document["restore"] > 0
    shown = call("backup", "drill", made).out
    for word in ("restore", "passed", "PostgreSQL"):
        assert word in shown
    assert len(json.loads(call("backup", "show", made, "--json").out)["drills"]) == 2
    data = max((home / "backups/backups" / made / "data").iterdir(), key=lambda p: p.stat().st_size)
    data.write_bytes(data.read_bytes()[:-1])
    called = call("backup", "drill")
    assert called.code == 1
    assert data.name in called.out


def test_the_plan_is_shown_and_asked_about(
    call: Call, made: str, server: Database, into: str
) -> None:
    arguments = ("--dsn", server.dsn, "backup", "restore", made, "--into", into)
    called = call(*arguments)
    assert called.code == 2
    assert "--yes" in called.err
    assert f"{into}_restoring_" in called.out
    called = call(*arguments, "--yes")
    assert called.code == 0, called.err
    with connect(server.renamed(into)) as connection:
        assert connection.execute("SELECT count(*) FROM tasks").fetchone() is not None
    assert call(*arguments, "--yes").code == 4


def test_it_is_replaced_put_back_and_forgotten(
    call: Call, made: str, server: Database, into: str
) -> None:
    with connect(server) as connection:
        connection.execute(f"CREATE DATABASE {into}".encode())
    first = ("--dsn", server.renamed(into).dsn, "backup", "restore")
    called = call(*first, made, "--replace", "--yes", "--json")
    assert called.code == 0, called.err
    kept = json.loads(called.out)["kept"]
    called = call(*first, "--undo", "--yes")
    assert (called.code, kept in called.out) == (0, True), called.err
    assert call(*first, "--undo", "--yes").code == 4
    called = call(*first, "--forget-old", "--yes", "--json")
    assert len(json.loads(called.out)["dropped"]) == 1
    assert kept_databases(server, into) == ()


@pytest.mark.parametrize(
    "options",
    [
        ("--undo", "--forget-old"),
        ("--undo", "--table", "tasks"),
        ("--to-time", "2026-03-03", "--table", "tasks"),
        ("--to-lsn", "0/1", "--undo"),
        ("--table", "tasks", "--into", "elsewhere"),
        ("--table", "tasks", "--replace"),
        ("--where", "true"),
    ],
)
def test_options_that_exclude_each_other(call: Call, options: tuple[str, ...]) -> None:
    called = call("backup", "restore", *options, "--yes")
    assert (called.code, "--" in called.err) == (2, True), called


@pytest.mark.parametrize(
    "options",
    [
        ("restore", ""),
        ("restore", "--table", "tasks", "--where", " "),
        ("restore", "--table", ""),
        ("restore", "--into", ""),
        ("restore", "--to-name", ""),
        ("recover", "--to-name", ""),
        ("recover", "--to-lsn", ""),
        ("recover", ""),
        ("drill", ""),
    ],
)
def test_what_a_script_has_not_set_is_refused(call: Call, options: tuple[str, ...]) -> None:
    called = call("backup", *options)
    assert (called.code, "cannot be '" in called.err) == (2, True), called


def test_rows_come_back_with_a_file_that_undoes_it(
    call: Call, made: str, server: Database, tmp_path: Path
) -> None:
    with connect(server) as connection:
        connection.execute("DELETE FROM schema_migrations WHERE version = 1")
    undo = tmp_path / "undo.sql"
    arguments = ("--dsn", server.dsn, "backup", "restore", made, "--undo-file", str(undo))
    assert call(*arguments).code == 2
    wrong = call(*arguments, "--table", "schema_migrations", "--where", "version <", "--yes")
    assert (wrong.code, "can't be chosen by version <: " in wrong.err) == (2, True), wrong
    called = call(*arguments, "--table", "schema_migrations", "--where", "version < 9", "--yes")
    assert called.code == 0, called.err
    assert str(undo) in called.out
    with connect(server) as connection:
        asked = "SELECT count(*) FROM schema_migrations WHERE version = 1"
        assert connection.execute(asked).fetchone() == (1,)
    called = call(*arguments[:-2], "--table", "schema_migrations", "--yes", "--json")
    assert json.loads(called.out)["merged"] is False


def test_what_a_dropped_table_took_along_is_shown_and_made_again(
    call: Call, server: Database, tmp_path: Path
) -> None:
    with connect(server) as connection:
        connection.execute(
            "CREATE TABLE parents (id int PRIMARY KEY);"
            "CREATE TABLE children (id int PRIMARY KEY, parent int REFERENCES parents);"
            "CREATE VIEW everyone AS SELECT id FROM parents"
        )
        assert call("--dsn", server.dsn, "backup", "create").code == 0
        connection.execute("DROP TABLE parents CASCADE")
        connection.execute("INSERT INTO children VALUES (1, 7)")
    asked = ("--dsn", server.dsn, "backup", "restore", "--table", "parents", "--yes")
    called = call(*asked, "--undo-file", str(tmp_path / "undo.sql"))
    assert called.code == 1
    for said in ("view agentic_ai.everyone", "ADD CONSTRAINT children_parent_fkey", "undo.sql"):
        assert said in called.out
    assert "children_parent_fkey" in called.err
    with connect(server) as connection:
        assert connection.execute("SELECT count(*) FROM everyone").fetchone() == (0,)
