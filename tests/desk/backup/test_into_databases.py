"""Restoring into databases of a real server: new ones, swapped ones, and back again."""

from __future__ import annotations

import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentpg.db import Connection, Database, Statements, connect, identifier
from agentpg.desk.backup.creating import CreateOptions, create_backup
from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.restore.naming import is_staged
from agentpg.desk.backup.restore.plan import Restored, RestoreOptions, Work
from agentpg.desk.backup.restore.restoring import open_restore
from agentpg.desk.backup.restore.swapping import (
    Ends,
    drop_databases,
    kept_databases,
    put_in_place,
    require_free,
    undo,
)
from agentpg.desk.backup.restore.unfinished import PUT_BACK, Unfinished
from agentpg.desk.backup.storage.folder import Folder
from agentpg.errors import (
    BackupDamaged,
    NothingToUndo,
    RestoreServerTooOld,
    RestoreTargetExists,
    RestoreTargetInUse,
    RestoreTargetMissing,
    RestoreTargetPrepared,
    RestoreTooSmall,
    RolesMissing,
    SwapNotDone,
    WorkersConnected,
)
from tests.servers import PG_BIN, SCHEMA, OwnServers

Options = Callable[..., CreateOptions]
Restore = Callable[..., Restored]


def _ignore(_: object) -> None:
    return


def _names(dsn: str) -> list[str]:
    with connect(Database(dsn)) as connection:
        return [row[0] for row in connection.execute("SELECT datname FROM pg_database")]


def _count(database: Database, what: str) -> Any:
    with connect(database) as connection:
        return connection.execute(f"SELECT count(*) FROM {what}".encode()).fetchall()[0][0]


@pytest.fixture
def server(superuser_dsn: Callable[..., str]) -> Database:
    """The shared server as its superuser."""
    return Database(superuser_dsn())


@pytest.fixture
def name(server: Database) -> Iterator[str]:
    """A database that is not there yet; it goes, with what was kept for it."""
    made = f"restored_{secrets.token_hex(4)}"
    yield made
    drop_databases(server, [made, *kept_databases(server, made)])


@pytest.fixture
def backup(filled: Database, folder: Folder, options: Options) -> Backup:
    """A dump of an installation with 1000 pending tasks."""
    return create_backup(filled, folder, options(), _ignore)


@pytest.fixture
def restore(server: Database, folder: Folder, tmp_path: Path) -> Restore:
    """Call it with a backup and a database to restore."""

    def run(
        backup: Backup, into: str, tell: Callable[[Work], None] = _ignore, **o: Any
    ) -> Restored:
        options = RestoreOptions(into=into, parent=tmp_path / "work", pg_bin=PG_BIN, **o)
        with open_restore(server, backup, folder, None, options) as one:
            return one.run(one.plan(tell), tell)

    return run


@pytest.mark.parametrize("kind", ["dump", "sql"])
def test_it_becomes_a_new_database_as_it_was(
    filled: Database,
    folder: Folder,
    options: Options,
    restore: Restore,
    name: str,
    superuser_dsn: Callable[..., str],
    kind: str,
) -> None:
    with connect(filled) as connection:
        source = connection.info.dbname
    with connect(Database(superuser_dsn(source))) as connection:
        for statement in ("CONNECTION LIMIT 17", "SET work_mem = '5MB'"):
            connection.execute(f"ALTER DATABASE {source} {statement}".encode())
        connection.execute(f"GRANT TEMPORARY ON DATABASE {source} TO pg_monitor".encode())
        connection.execute(f"COMMENT ON DATABASE {source} IS 'the; one'".encode())
        setting = f"ALTER ROLE admin IN DATABASE {source} SET work_mem = '7MB'"
        connection.execute(setting.encode())
    backup = create_backup(filled, folder, options(kind=kind), _ignore)
    done = restore(backup, name)
    assert (done.database, done.kept, done.unfinished) == (name, "", 1000)
    with connect(Database(superuser_dsn(name))) as connection:
        facts = connection.execute(
            "SELECT pg_get_userbyid(datdba), datconnlimit, datacl::text,"
            " shobj_description(d.oid, 'pg_database'), setconfig"
            " FROM pg_database d LEFT JOIN pg_db_role_setting s ON s.setdatabase = d.oid"
            " AND setrole = 0 WHERE datname = current_database()"
        ).fetchone()
        # Unqualified, as the guide asks.
        held = connection.execute("SELECT count(*), min(held_reason) FROM tasks").fetchone()
        analyzed = connection.execute(
            "SELECT reltuples FROM pg_class WHERE relname = 'notes'"
        ).fetchone()
    assert facts is not None
    assert held is not None
    assert facts[0] == "admin"
    assert "search_path=agentic_ai, public" in re.sub('"', "", str(facts[4]))
    assert facts[1] == 17
    assert "pg_monitor=T" in facts[2]
    assert facts[3] == "the; one"
    assert "work_mem=5MB" in facts[4]
    assert "database" in {check.name for check in done.checks if check.outcome == "passed"}
    assert held[0] == 1000
    assert backup.name in held[1]
    assert analyzed == (1000,)


@pytest.mark.parametrize("kind", ["dump", "sql"])
def test_encoding_and_locale_are_those_of_the_source(
    folder: Folder, options: Options, restore: Restore, name: str, server: Database, kind: str
) -> None:
    source = server.renamed(f"{name}_source")
    with connect(server) as connection:
        made = f"CREATE DATABASE {name}_source TEMPLATE template0 ENCODING LATIN1 LOCALE 'C'"
        connection.execute(made.encode())
    try:
        with connect(source) as connection:
            connection.execute("CREATE TABLE words (word text); INSERT INTO words VALUES ('été')")
            connection.execute(f"COMMENT ON DATABASE {name}_source IS 'été'".encode())
        done = restore(create_backup(source, folder, options(kind=kind), _ignore), name)
    finally:
        drop_databases(server, [f"{name}_source"])
    assert {check.outcome for check in done.checks} == {"passed"}
    with connect(server.renamed(name)) as connection:
        asked = "SELECT word, getdatabaseencoding() FROM words"
        assert connection.execute(asked).fetchall() == [("été", "LATIN1")]


def test_a_database_that_is_there_is_not_touched(
    backup: Backup, restore: Restore, empty_database: Database
) -> None:
    with connect(empty_database) as connection:
        there = connection.info.dbname
    with pytest.raises(RestoreTargetExists, match=there) as refused:
        restore(backup, there)
    assert refused.value.exit_code == 4
    with pytest.raises(RestoreTargetMissing):
        restore(backup, "not_there_at_all", replace=True)


def test_what_a_database_has_set_keeps_nobody_from_restoring_it(
    filled: Database,
    folder: Folder,
    options: Options,
    restore: Restore,
    name: str,
    server: Database,
) -> None:
    with connect(server) as connection:
        setting = f"ALTER DATABASE {filled.name()} SET default_transaction_read_only = on"
        connection.execute(setting.encode())
    restore(create_backup(filled, folder, options(), _ignore), name)
    with connect(server.renamed(name)) as connection:
        assert connection.execute("SHOW default_transaction_read_only").fetchone() == ("on",)
        held = "SELECT count(*) FROM agentic_ai.tasks WHERE held_reason IS NOT NULL"
        assert connection.execute(held).fetchone() == (1000,)


@pytest.fixture
def old(server: Database, name: str, superuser_dsn: Callable[..., str]) -> Database:
    """A database of that name with something in it."""
    with connect(server) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    database = Database(superuser_dsn(name))
    with connect(database) as connection:
        connection.execute("CREATE TABLE precious (id int)")
    return database


def test_the_old_one_is_swapped_kept_and_put_back(
    backup: Backup, restore: Restore, old: Database, name: str, server: Database
) -> None:
    done = restore(backup, name, replace=True)
    assert is_staged(done.kept, "before", of=name)
    assert _count(old, "agentic_ai.notes") == 1000
    assert _count(server.renamed(done.kept), "precious") == 0
    assert kept_databases(server, name) == (done.kept,)
    back = undo(server, name, Ends())
    assert (back.put_back, back.unfinished) == (done.kept, 0)
    undone = back.kept
    assert _count(old, "precious") == 0
    assert _count(server.renamed(undone), "agentic_ai.notes") == 1000
    assert kept_databases(server, name) == (undone,)
    with pytest.raises(NothingToUndo):
        undo(server, name, Ends())
    drop_databases(server, kept_databases(server, name))
    assert kept_databases(server, name) == ()


@pytest.mark.parametrize(("choice", "reason"), [("hold", PUT_BACK), ("keep", None)])
def test_tasks_of_what_is_put_back_may_have_run(
    backup: Backup,
    restore: Restore,
    name: str,
    server: Database,
    choice: Unfinished,
    reason: str | None,
) -> None:
    restore(backup, name, unfinished="keep", verify=False)
    restore(backup, name, replace=True, verify=False)
    assert undo(server, name, Ends(), choice).unfinished == 1000
    with connect(server.renamed(name)) as connection:
        asked = "SELECT DISTINCT status::text, held_reason FROM agentic_ai.tasks"
        assert connection.execute(asked).fetchall() == [("pending", reason)]


def test_sessions_are_ended_only_when_told(
    backup: Backup, restore: Restore, old: Database, name: str
) -> None:
    with connect(old, "my report") as session:
        with pytest.raises(RestoreTargetInUse, match="my report"):
            restore(backup, name, replace=True)
        assert session.execute("SELECT count(*) FROM precious").fetchone() == (0,)
        restore(backup, name, replace=True, end_connections=True)
        with pytest.raises(Exception, match="terminat"):
            session.execute("SELECT 1")
    assert _count(old, "agentic_ai.notes") == 1000


def test_workers_are_respected(
    backup: Backup, restore: Restore, old: Database, name: str, server: Database
) -> None:
    with connect(old, "agentpg worker 0190"):
        with pytest.raises(WorkersConnected):
            restore(backup, name, replace=True, end_connections=True)
        restore(backup, name, replace=True, with_workers=True)
    assert _count(old, "agentic_ai.notes") == 1000
    with connect(old, "agentpg worker 0191"):
        with pytest.raises(WorkersConnected):
            undo(server, name, Ends(others=True))
        undo(server, name, Ends(workers=True))
    assert _count(old, "precious") == 0


def test_sessions_are_seen_by_a_role_that_may_not_see_what_they_are(
    old: Database, name: str, server: Database
) -> None:
    with connect(old, "my report"), connect(server) as connection:
        connection.execute("SET ROLE admin")
        with pytest.raises(RestoreTargetInUse, match="my report"):
            require_free(connection, Statements("restore", SCHEMA), name, Ends(workers=True))


@pytest.mark.one_server
def test_a_role_that_may_not_end_a_session_is_told(
    backup: Backup, restore: Restore, old: Database, name: str, server: Database
) -> None:
    restore(backup, name, replace=True)
    limited = Database(f"{server.dsn} options='-c role=admin'")
    with connect(server) as connection:
        connection.execute(f"ALTER ROLE admin CREATEDB; ALTER DATABASE {name} OWNER TO admin")
    try:
        with connect(old, "of a superuser"), pytest.raises(SwapNotDone, match="terminate"):
            put_in_place(limited, name, f"{name}_undone_20260101_000000", "", Ends())
    finally:
        with connect(server) as connection:
            connection.execute("ALTER ROLE admin NOCREATEDB")


@pytest.fixture
def korean(server: Database) -> Iterator[str]:
    """A database's name that no session may have whole."""
    made = f"작업_{secrets.token_hex(4)}"
    yield made
    drop_databases(server, [made])


def test_another_restore_is_not_taken_for_one_that_was_left(
    backup: Backup, restore: Restore, korean: str, server: Database, folder: Folder, tmp_path: Path
) -> None:
    left: list[tuple[str, ...]] = []

    def tell(work: Work) -> None:
        if work.name == "Comparing" and not left:
            other = RestoreOptions(into=f"{korean}2", parent=tmp_path / "other", pg_bin=PG_BIN)
            with open_restore(server, backup, folder, None, other) as one:
                left.append(one.plan(_ignore).left)

    restore(backup, korean, tell)
    assert left == [()]


@pytest.mark.one_server
def test_sessions_that_come_again_and_again_do_not_stop_the_swap(
    backup: Backup, restore: Restore, old: Database, name: str
) -> None:
    script = (
        "import sys, psycopg\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    try:\n"
        "        psycopg.connect(sys.argv[1], application_name='busy')\n"
        "    except psycopg.Error:\n"
        "        pass\n"
    )
    busy = [sys.executable, "-c", script, old.dsn]
    with subprocess.Popen(busy, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            restore(backup, name, replace=True, end_connections=True)
        finally:
            process.kill()
    assert _count(old, "agentic_ai.notes") == 1000


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("keep", {("pending", False), ("running", False), ("waiting", False)}),
        ("hold", {("pending", True), ("waiting", True)}),
        ("fail", {("failed", False)}),
    ],
)
def test_unfinished_tasks_are_handled_as_asked(
    filled: Database,
    folder: Folder,
    options: Options,
    restore: Restore,
    name: str,
    server: Database,
    choice: str,
    expected: set[tuple[str, bool]],
) -> None:
    with connect(filled) as connection:
        _make_unfinished(connection)
    backup = create_backup(filled, folder, options(), _ignore)
    done = restore(backup, name, unfinished=choice)
    assert done.unfinished == 1000
    restored = Database(server.renamed(name).dsn, filled.schema)
    with connect(restored) as connection:
        rows = connection.execute(
            "SELECT DISTINCT status, held_reason IS NOT NULL FROM tasks WHERE finished_at IS NULL"
            " OR error_message LIKE 'restored from%'"
        ).fetchall()
        outcomes = connection.execute("SELECT outcome FROM agent_executions").fetchall()
        calls = connection.execute("SELECT status FROM llm_requests").fetchall()
        alive = connection.execute("SELECT FROM workers WHERE ended_at IS NULL").fetchall()
        [(due,)] = connection.execute("SELECT count(*) FROM schedules WHERE next_at < now()")
    assert set(rows) == expected
    kept = choice == "keep"
    assert (outcomes, calls) == (([(None,)], [("open",)]) if kept else ([("lost",)], [("lost",)]))
    assert (len(alive), due) == ((1, 1) if kept else (0, 0))


def _make_unfinished(connection: Connection[Any]) -> None:
    worker, task = "019fa000-0000-7000-8000-000000000001", "019fa000-0000-7000-8000-000000000002"
    for statement in (
        f"INSERT INTO workers (id, host, pid, version, concurrency, lease_seconds, handlers)"
        f" VALUES ('{worker}', 'h', 1, '1', 1, 30, '[]')",
        f"UPDATE tasks SET id = '{task}', status = 'running', worker = '{worker}', attempt = 1"
        " WHERE id = (SELECT id FROM tasks LIMIT 1)",
        "UPDATE tasks SET status = 'waiting' WHERE id ="
        " (SELECT id FROM tasks WHERE status = 'pending' LIMIT 1)",
        "INSERT INTO agent_executions (task_id, attempt, agent_name, task_type, execution_start,"
        f" worker, llm_calls, llm_unknown_calls, llm_unpriced_calls)"
        f" VALUES ('{task}', 1, 'Agent', 'work', now(), '{worker}', 1, 1, 1)",
        f"INSERT INTO llm_requests (task_id, attempt, agent_name) VALUES ('{task}', 1, 'Agent')",
        "INSERT INTO schedules (name, agent_name, task_type, cron, next_at)"
        " VALUES ('nightly', 'Agent', 'work', '0 3 * * *', now() - interval '1 day')",
    ):
        connection.execute(statement.encode())


def test_a_disk_too_small_is_refused(backup: Backup, restore: Restore, name: str) -> None:

    with pytest.raises(RestoreTooSmall, match="B left, and"):
        restore(replace(backup, source_bytes=1 << 60), name)


def test_an_older_server_is_refused(backup: Backup, restore: Restore, name: str) -> None:

    newer = replace(backup, source=replace(backup.source, server_version=990000))
    with pytest.raises(RestoreServerTooOld, match="PostgreSQL 99"):
        restore(newer, name)


def test_damage_is_refused_before_anything_is_made(
    backup: Backup, restore: Restore, name: str, folder: Folder, server: Database
) -> None:
    data = folder.root / "backups" / backup.name / "data"
    path = max(data.iterdir(), key=lambda one: one.stat().st_size)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BackupDamaged, match=path.name):
        restore(backup, name)
    assert not [one for one in _names(server.dsn) if one.startswith(name)]


def test_missing_roles_are_named_and_made_when_told(
    filled: Database,
    folder: Folder,
    options: Options,
    own_server: OwnServers,
    server: Database,
    tmp_path: Path,
) -> None:
    role = f"Reader {secrets.token_hex(4)}"
    with connect(server) as connection:
        connection.execute(f"CREATE ROLE {identifier(role)} LOGIN PASSWORD 'x'".encode())
    try:
        with connect(filled) as connection:
            connection.execute(f"GRANT SELECT ON notes TO {identifier(role)}".encode())
        backup = create_backup(filled, folder, options(role_passwords=False), _ignore)
    finally:
        with connect(filled) as connection:
            connection.execute(f"REVOKE ALL ON notes FROM {identifier(role)}".encode())
        with connect(server) as connection:
            connection.execute(f"DROP ROLE {identifier(role)}".encode())
    other = own_server()
    other.start()
    target = Database(other.dsn("postgres", "postgres"))
    made = {"into": "elsewhere", "parent": tmp_path / "work", "pg_bin": PG_BIN}
    with (
        open_restore(target, backup, folder, None, RestoreOptions(**made)) as one,  # type: ignore[arg-type]
        pytest.raises(RolesMissing, match=role),
    ):
        one.plan(_ignore)
    options_with = RestoreOptions(**made, create_roles=True)  # type: ignore[arg-type]
    with open_restore(target, backup, folder, None, options_with) as one:
        plan = one.plan(_ignore)
        assert plan.missing_roles == (role,)
        one.run(plan, _ignore)
    with connect(target.renamed("elsewhere")) as connection:
        asked = "SELECT has_table_privilege(%s, 'agentic_ai.notes', 'SELECT'), rolcanlogin"
        asked += " FROM pg_roles WHERE rolname = %s"
        assert connection.execute(asked.encode(), [role, role]).fetchone() == (True, True)


@pytest.mark.one_server
def test_a_server_that_dies_in_the_middle_keeps_the_old_one(
    filled: Database, folder: Folder, options: Options, own_server: OwnServers, tmp_path: Path
) -> None:
    backup = create_backup(filled, folder, options(), _ignore)
    other = own_server(options={"fsync": "on", "max_prepared_transactions": "1"})
    other.start()
    target = Database(other.dsn("postgres", "postgres"))
    with connect(target) as connection:
        connection.execute("CREATE DATABASE here")
    with connect(target.renamed("here")) as connection:
        connection.execute("CREATE TABLE precious (id int)")
    wanted = RestoreOptions(into="here", replace=True, parent=tmp_path / "w", pg_bin=PG_BIN)
    with connect(target.renamed("here")) as connection:
        for statement in ("BEGIN", "DELETE FROM precious", "PREPARE TRANSACTION 'forgotten'"):
            connection.execute(statement.encode())
    with (
        open_restore(target, backup, folder, None, wanted) as one,
        pytest.raises(RestoreTargetPrepared, match="forgotten"),
    ):
        one.plan(_ignore)
    with connect(target.renamed("here")) as connection:
        connection.execute("ROLLBACK PREPARED 'forgotten'")

    def tell(work: Work) -> None:
        if work.name == "Swapping":
            other.stop("immediate")

    with (
        open_restore(target, backup, folder, None, wanted) as one,
        pytest.raises(Exception, match=r"."),
    ):
        one.run(one.plan(tell), tell)
    other.start()
    target = Database(other.dsn("postgres", "postgres"))
    assert _count(target.renamed("here"), "precious") == 0
    with open_restore(target, backup, folder, None, wanted) as one:
        plan = one.plan(_ignore)
        assert [is_staged(left, "restoring", of="here") for left in plan.left] == [True]
        one.run(plan, _ignore)
    assert _count(target.renamed("here"), "agentic_ai.notes") == 1000
