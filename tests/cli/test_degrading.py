"""Servers that are old, foreign, replicas or closed to us: what can't be known is unknown.

Every command that only looks is tried on each: it says what it could see, and never fails by
itself. PostgreSQL of other majors is tried where OTHER_PG_BINS names its programs.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from agentpg.db import Database, connect
from agentpg.schema import migrate
from tests.cli.conftest import Call, Called
from tests.cli.test_monitor_top import terminal
from tests.servers import SCHEMA, OwnServers

_OTHERS = [Path(one) for one in os.environ.get("OTHER_PG_BINS", "").split(":") if one]

# What looks at a server and changes nothing, with what it may end: well, findings, unknown;
# and 4 where the schema is missing, which some need.
_LOOKING = (
    ("doctor", "--json"),
    ("status",),
    ("monitor", "activity", "--json"),
    ("monitor", "sizes", "--json"),
    ("monitor", "metrics"),
    ("tune", "explain", "--json", "SELECT count(*) FROM pg_class WHERE relname = 'x'"),
    ("tune", "explain", "--analyze", "SELECT 1"),
    ("tune", "indexes", "--json"),
    ("tune", "settings"),
    ("tune", "settings", "--json"),
    ("tune", "vacuum", "--json"),
)
_ENDS = (0, 4, 5, 6)

# What a standby does not count, and a server that is full or locked does not tell: 3.
_NOT_NOW: dict[tuple[str, ...], int] = {("tune", "vacuum", "--json"): 3}


@pytest.fixture
def nobody(database: Database, superuser_dsn: Callable[..., str]) -> Iterator[Database]:
    """A role that may connect, and no more."""
    role = f"nobody_{secrets.token_hex(4)}"
    with connect(Database(superuser_dsn(database.name()))) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'".encode())
        dsn = make_conninfo(database.dsn, user=role, password="x", passfile=None)
        yield Database(dsn, database.schema)
        connection.execute(f"DROP ROLE {role}".encode())


@pytest.fixture
def foreign(empty_database: Database) -> Database:
    """A database with tables that are not ours."""
    with connect(empty_database) as connection:
        connection.execute("CREATE TABLE public.orders AS SELECT generate_series(1, 100) AS id")
        connection.execute("CREATE TABLE public.tasks (id int, name text)")
    return empty_database


@pytest.fixture
def replica(own_server: OwnServers) -> Database:
    """An installation that follows nobody yet, and only reads."""
    server = own_server()
    server.start()
    migrate(Database(server.dsn(), SCHEMA))
    server.stop()
    (server.status().data / "standby.signal").touch()
    server.start()
    return Database(server.dsn("postgres"), SCHEMA)


@pytest.mark.parametrize("scene", ["nobody", "foreign", "replica"])
def test_what_cannot_be_known_is_unknown_and_nothing_fails(
    scene: str, request: pytest.FixtureRequest, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    _look_at(request.getfixturevalue(scene), call, monkeypatch)


@pytest.mark.skipif(not _OTHERS, reason="OTHER_PG_BINS names no other PostgreSQL")
@pytest.mark.parametrize("programs", _OTHERS, ids=str)
def test_other_majors_are_looked_at_as_far_as_it_goes(
    programs: Path, own_server: OwnServers, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = own_server(pg_bin=str(programs))
    server.start()
    database = Database(server.dsn("postgres"), SCHEMA)
    with connect(database) as connection:
        connection.execute("CREATE TABLE public.orders AS SELECT generate_series(1, 100) AS id")
    _look_at(database, call, monkeypatch)


def _look_at(database: Database, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTPG_DSN", database.dsn)
    monkeypatch.setenv("AGENTPG_SCHEMA", database.schema)
    for command in _LOOKING:
        called = call(*command)
        said = f"{' '.join(command)} ended with {called.code}:\n{called.out}\n{called.err}"
        assert called.code in (*_ENDS, _NOT_NOW.get(command)), said
        assert "unexpected error" not in said
        if command == ("doctor", "--json"):
            _is_honest(called)
    with terminal(AGENTPG_DSN=database.dsn, AGENTPG_SCHEMA=database.schema) as screen:
        screen.shows("q quit", "PostgreSQL")
        screen.type("q")
        assert (screen.ends(), "Traceback" in screen.raw) == (0, False)


def _is_honest(called: Called) -> None:
    """What is unknown has its reason, and no room says nothing."""
    rooms = json.loads(called.out)["rooms"]
    assert all(rooms.values()), rooms
    for finding in (one for room in rooms.values() for one in room):
        if finding["level"] == "unknown":
            assert len(finding["message"]) > len("it could not be looked at: "), finding
            assert "{" not in finding["message"], finding
