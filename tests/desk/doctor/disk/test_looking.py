"""Looking with few rights, from elsewhere, and at what is odd: nothing is taken for well."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from agentpg.db import Database, connect
from agentpg.desk.check import Unlooked
from agentpg.desk.doctor.disk.asking import Asking
from agentpg.desk.doctor.disk.facts import Facts, Spill
from agentpg.desk.doctor.disk.findings import find
from agentpg.desk.doctor.disk.looking import look_at_disks
from agentpg.desk.doctor.disk.policy import Policy
from agentpg.desk.finding import Finding
from agentpg.embedded.folder import Folder, known_passwords
from agentpg.settings import Settings, load_settings

Superuser = Callable[..., str]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    home = tmp_path / "home"
    home.mkdir()
    return load_settings(home=str(home))


def far(database: Database) -> Database:
    """The same server, as if it were on another machine."""
    said = conninfo_to_dict(database.dsn)
    if "password" not in said:
        passwords = known_passwords(Folder(Path(str(said["passfile"])).parent))
        said["password"] = passwords[str(said["user"])]
    said |= {"host": "db.example", "hostaddr": "127.0.0.1"}
    return Database(make_conninfo("", **said), database.schema)


def _by_code(facts: Facts, policy: Policy | None = None) -> dict[str, Finding]:
    return {finding.code: finding for finding in find(facts, policy or Policy())}


@pytest.fixture
def as_superuser(database: Database, superuser_dsn: Superuser) -> Database:
    return Database(superuser_dsn(database.name()), database.schema)


@pytest.fixture
def stranger(database: Database, as_superuser: Database) -> Iterator[Database]:
    """A role that may log in, and no more, from another machine."""
    role, password = f"stranger_{secrets.token_hex(4)}", secrets.token_hex(8)
    with connect(as_superuser) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'".encode())
        dsn = make_conninfo(database.dsn, user=role, password=password, passfile=None)
        yield far(Database(dsn, database.schema))
        connection.execute(f"DROP ROLE {role}".encode())


def test_a_role_without_rights_is_told_what_to_grant(
    stranger: Database, as_superuser: Database, settings: Settings
) -> None:
    facts = look_at_disks(stranger, settings, Policy())
    assert isinstance(facts.data, Unlooked)
    found = _by_code(facts)
    assert {code for code, one in found.items() if one.level == "unknown"} >= {
        *("D01", "D05", "D07", "D11", "D13", "D15")
    }
    role = facts.role
    assert found["D07"].remedies[0].sql == f"GRANT pg_monitor TO {role}"
    with connect(as_superuser) as connection:
        connection.execute(f"GRANT pg_monitor TO {role}".encode())
        after = _by_code(look_at_disks(stranger, settings, Policy()))
        connection.execute(f"REVOKE pg_monitor FROM {role}".encode())
    assert (after["D07"].level, after["D13"].level) == ("ok", "ok")


def test_a_server_that_is_away_is_no_good_news(settings: Settings) -> None:
    away = Database("host=127.0.0.1 port=1 dbname=x user=x connect_timeout=2")
    facts = look_at_disks(away, settings, Policy())
    found = _by_code(facts)
    assert found["D03"].level == found["D12"].level == "unknown"
    assert [volume.places for volume in facts.volumes] == [("backups", "home")]


def test_without_any_database_the_home_is_looked_at(settings: Settings) -> None:
    facts = look_at_disks(None, settings, Policy())
    assert facts.volume("home") is not None
    assert isinstance(facts.server, Unlooked)


def test_files_that_no_catalogue_knows(as_superuser: Database, settings: Settings) -> None:
    facts = look_at_disks(as_superuser, settings, Policy())
    assert isinstance(facts.data, Path)
    assert not isinstance(facts.server, Unlooked)
    assert _by_code(facts)["D11"].level == "ok"
    folder = facts.data / "base" / str(facts.server.database_oid)
    old, new = folder / "99999991", folder / "99999992"
    for path in (old, new):
        path.write_bytes(b"x" * 8192)
    os.utime(old, (0, 0))
    try:
        finding = _by_code(look_at_disks(as_superuser, settings, Policy()))["D11"]
    finally:
        old.unlink()
        new.unlink()
    assert (finding.level, finding.evidence["names"]) == ("info", "99999991")


def test_bloat_is_measured_where_that_can_be(as_superuser: Database, settings: Settings) -> None:
    policy = Policy(bloat_least_bytes=64 * 1024)
    with connect(as_superuser) as connection:
        connection.execute(
            b"CREATE TABLE airy WITH (autovacuum_enabled = off) AS "
            b"SELECT n, repeat('x', 100) AS text FROM generate_series(1, 20000) AS n"
        )
        connection.execute(b"DELETE FROM airy WHERE n % 10 > 0")
        connection.execute(b"SELECT pg_stat_force_next_flush()")
        connection.execute(b"ANALYZE airy")

    def judged() -> Finding:
        found = find(look_at_disks(as_superuser, settings, policy), policy)
        [finding] = [one for one in found if (one.code, one.subject) == ("D12", "agentic_ai.airy")]
        return finding

    assert judged().level == "info"
    with connect(as_superuser) as connection:
        available = connection.execute(
            b"SELECT count(*) FROM pg_available_extensions WHERE name = 'pgstattuple'"
        ).fetchall()
        if not available[0][0]:
            pytest.skip("pgstattuple is not installed")
        connection.execute(b"CREATE EXTENSION pgstattuple")
    measured = judged()
    assert measured.level == "warning"
    assert measured.evidence["measured"]
    assert measured.evidence["percent"] == pytest.approx(80, abs=8)


def test_who_holds_vacuum_back_is_seen(as_superuser: Database, settings: Settings) -> None:
    with connect(as_superuser, "forgotten", autocommit=False) as reader:
        reader.execute(b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute(b"SELECT 1")
        holders = look_at_disks(as_superuser, settings, Policy()).holders
        assert not isinstance(holders, Unlooked)
        assert reader.info.backend_pid in [one.process for one in holders]


@contextmanager
def _session(database: Database, name: str) -> Iterator[int]:
    with connect(database, name) as connection:
        yield connection.info.backend_pid


def test_a_query_of_a_task_is_told_by_agent_and_task(database: Database) -> None:
    worker = str(uuid4())
    with connect(database) as connection:
        rows = connection.execute(
            b"INSERT INTO tasks "
            b"(id, agent_name, task_type, status, created_at, worker, started_at, attempt) VALUES "
            b"(gen_random_uuid(), 'Greedy', 'sort', 'running', now(), %s, now(), 1) RETURNING id",
            [worker],
        ).fetchall()
        with _session(database, f"agentpg worker {worker}") as process:
            asking = Asking(database, connection)
            [told] = asking.told([Spill(process=process, size_bytes=1, files=1)])
    assert (told.agent, told.task) == ("Greedy", str(rows[0][0]))
    assert told.role == "admin"
