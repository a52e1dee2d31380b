"""A database that moves to a newer major version: what differs in words only is unknown."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentpg.db import Database, connect
from agentpg.desk.backup.proof.comparing import compare
from agentpg.embedded import EmbeddedServer
from tests.desk.backup.nasty import copy, differences, fill_nastily, make_roles, manifest_of
from tests.servers import SCHEMA, OwnServers

OLDER = Path("/usr/lib/postgresql/15/bin")


@pytest.mark.skipif(not OLDER.exists(), reason="there is no PostgreSQL 15 here")
def test_other_major_fails_in_nothing(own_server: OwnServers, tmp_path: Path) -> None:
    old = _start(own_server(pg_bin=str(OLDER)))
    newer = own_server(pg_bin="")
    new = _start(newer)
    fill_nastily(old)
    copy(newer, old, new, tmp_path / "dump")
    expected, found = manifest_of(old), manifest_of(new)
    assert (expected.major, found.major) == (15, 18)
    checks = {check.name: check for check in compare(expected, found)}
    assert "failed" not in {check.outcome for check in checks.values()}, differences(
        tuple(checks.values())
    )
    assert checks["contents"].outcome == "passed"
    with connect(new) as connection:
        connection.execute("ALTER TABLE plain.empty ALTER a TYPE bigint")
        connection.execute("DROP VIEW plain.view_of_view")
    checks = {check.name: check for check in compare(expected, manifest_of(new))}
    assert checks["catalogue"].outcome == "failed"
    subjects = {one.subject for one in checks["catalogue"].differences}
    assert {"column plain.empty.a", "view plain.view_of_view"} <= subjects


def _start(server: EmbeddedServer) -> Database:
    server.start()
    postgres = Database(server.dsn("postgres", "postgres"), SCHEMA)
    make_roles(postgres)
    with connect(postgres) as connection:
        connection.execute("CREATE DATABASE nasty TEMPLATE template0")
    return Database(server.dsn("postgres", "nasty"), SCHEMA)
