"""Role, database, schema and tables on Debian's own cluster, by peer authentication."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from agentpg.db import Database, connect
from agentpg.errors import FileNotWritten, LoginRefused
from agentpg.schema import check_version, verify
from agentpg.setup import Target, by_dsn, set_up, setup_script, try_login
from tests.schema.old import rows, run
from tests.servers import SharedServer
from tests.setup.debian import VERSION, Cluster

# The cluster is of PostgreSQL 15 in every run.
pytestmark = [pytest.mark.one_server, pytest.mark.xdist_group("cluster")]


@pytest.fixture
def target(cluster: Cluster, tmp_path: Path) -> Target:
    """A role and a database that only this test knows."""
    name = f"t{abs(hash(tmp_path))}"
    return Target(
        passfile=tmp_path / "home" / "pgpass", port=cluster.port, role=name, database=f"{name}_db"
    )


def steps(cluster: Cluster, target: Target) -> dict[str, bool]:
    """Each step, and whether it did something."""
    return {d.step: bool(d.statements) for d in set_up(cluster.administrator(), target)}


ALL = ("role", "database", "schema", "search_path", "migrations")


def test_all_is_made_once(cluster: Cluster, target: Target) -> None:
    assert steps(cluster, target) == dict.fromkeys(ALL, True)
    assert steps(cluster, target) == dict.fromkeys(ALL, False)
    assert setup_script(cluster.administrator(), target) == ""

    database = Database(target.dsn(), target.schema)
    check_version(database)
    assert verify(database) == []
    assert rows(database, "SELECT current_user::text, count(*) FROM tasks") == [(target.role, 0)]
    assert rows(
        database,
        "SELECT DISTINCT relowner::regrole::text FROM pg_class"
        " WHERE relnamespace = 'agentic_ai'::regnamespace",
    ) == [(target.role,)]
    assert rows(
        database,
        "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()",
    ) == [("UTF8",)]


def test_the_password_is_kept_and_shown_nowhere(cluster: Cluster, target: Target) -> None:
    done = list(set_up(cluster.administrator(), target))
    assert target.passfile.stat().st_mode & 0o777 == 0o600
    line = target.passfile.read_text(encoding="utf-8").strip()
    host, port, _, role, password = line.split(":")
    assert (host, port, role) == ("localhost", str(cluster.port), target.role)
    assert len(password) >= 32
    assert password not in repr(done)
    assert password not in target.dsn()
    with cluster.administrator().connect() as server:
        stored = server.execute(
            "SELECT rolpassword FROM pg_authid WHERE rolname = %s", [target.role]
        ).fetchall()
    assert stored[0][0].startswith("SCRAM-SHA-256$")
    log = Path(f"/var/log/postgresql/postgresql-{VERSION}-{cluster.name}.log")
    assert password not in log.read_text(encoding="utf-8")
    assert try_login(target) is None
    wrong = replace(target, passfile=target.passfile.with_name("none"))
    assert isinstance(try_login(wrong), LoginRefused)


def test_what_is_there_stays(cluster: Cluster, target: Target) -> None:
    with cluster.administrator().connect() as server:
        server.execute(f"CREATE ROLE {target.role} LOGIN PASSWORD 'of old'".encode())
        server.execute(f"CREATE DATABASE {target.database}".encode())
        server.execute(f"ALTER DATABASE {target.database} SET search_path = other, public".encode())
    assert steps(cluster, target) == {
        "role": False,
        # It belongs to somebody else, who lets the role make schemas in it.
        "database": True,
        "schema": True,
        "search_path": True,
        "migrations": True,
    }
    assert steps(cluster, target) == dict.fromkeys(ALL, False)
    assert not target.passfile.exists()
    old = Database(f"{target.dsn()} password='of old'", target.schema)
    assert rows(old, "SHOW search_path") == [("agentic_ai, other, public",)]
    assert verify(old) == []


def test_psql_does_the_same(cluster: Cluster, target: Target) -> None:
    script = setup_script(cluster.administrator(), target)
    assert ":'password'" in script
    done = subprocess.run(
        ["psql", "--no-psqlrc", "--quiet", "-v", "password=a b'c", "-p", str(cluster.port)],
        input=script,
        capture_output=True,
        text=True,
        check=False,
        user="postgres",
        env={"PATH": "/usr/bin:/bin", "PGHOST": "/var/run/postgresql", "LC_ALL": "C"},
        cwd="/",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert steps(cluster, target) == dict.fromkeys(ALL, False)
    database = Database(f"{target.dsn()} password='a b\\'c'", target.schema)
    assert verify(database) == []


def test_a_password_that_cannot_be_kept_is_not_used(cluster: Cluster, target: Target) -> None:
    target.passfile.parent.write_text("no folder", encoding="utf-8")
    with pytest.raises(FileNotWritten):
        steps(cluster, target)
    with cluster.administrator().connect() as server:
        query = "SELECT count(*) FROM pg_roles WHERE rolname = %s"
        assert server.execute(query, [target.role]).fetchall() == [(0,)]


def test_a_role_without_all_rights_is_enough(shared_server: SharedServer, tmp_path: Path) -> None:
    """One that may create roles and databases, on any server that is reached by a DSN."""
    name = f"t{abs(hash(tmp_path))}"
    superuser = Database(shared_server.superuser_dsn())
    run(superuser, f"CREATE ROLE {name}_chief LOGIN CREATEROLE CREATEDB PASSWORD 'chief'")
    host, port = superuser.address()
    chief = by_dsn(f"host={host} port={port} dbname=postgres user={name}_chief password=chief")
    target = Target(
        passfile=tmp_path / "pgpass", host=host, port=port, role=name, database=f"{name}_db"
    )
    try:
        assert all(done.statements for done in set_up(chief, target))
        assert not any(done.statements for done in set_up(chief, target))
        assert verify(Database(target.dsn(), target.schema)) == []
    finally:
        with connect(superuser) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name}_db".encode())
            connection.execute(f"DROP ROLE IF EXISTS {name}, {name}_chief".encode())


def test_other_lines_of_the_file_stay(cluster: Cluster, target: Target) -> None:
    target.passfile.parent.mkdir()
    target.passfile.write_text("elsewhere:5432:*:me:secret\n", encoding="utf-8")
    steps(cluster, target)
    lines = target.passfile.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "elsewhere:5432:*:me:secret"
    assert len(lines) == 2
