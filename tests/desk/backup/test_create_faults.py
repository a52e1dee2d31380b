"""What happens to a backup when something is killed, full, in the way, or taken away."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyrage import x25519  # type: ignore[import-untyped]

from agentpg.db import Database, connect
from agentpg.desk.backup.storage.records import find_backups, list_backups
from agentpg.embedded import EmbeddedServer
from tests.desk.backup.conftest import fill
from tests.desk.backup.making import Making, command_lines, copying, fill_with_noise
from tests.pgbouncer import PROGRAM, pgbouncer
from tests.servers import OwnServers, SharedServer
from tests.waiting import eventually

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system")

Make = Callable[..., Making]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Start a backup; it is ended with the test."""
    started: list[Making] = []

    def making(database: Database, *arguments: str, **variables: str) -> Making:
        started.append(Making(database, tmp_path / "home", *arguments, **variables))
        return started[-1]

    yield making
    for one in started:
        one.close()


@pytest.fixture(scope="module")
def noise(shared_server: SharedServer) -> Iterator[Database]:
    """A database whose dump takes some seconds."""
    with shared_server.database() as made:
        fill(made)
        fill_with_noise(made, megabytes=12)
        yield made


@pytest.fixture
def noisy(shared_server: SharedServer, noise: Database) -> Iterator[Database]:
    """The test's own copy of it."""
    with shared_server.database(like=noise) as copy:
        yield copy


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of five megabytes."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def _is_begun(making: Making, database: Database) -> bool:
    return bool(find_backups(making.folder).unfinished)


def _is_copying(making: Making, database: Database) -> bool:
    return copying(database, "noise1")


def _is_almost_done(making: Making, database: Database) -> bool:
    return any(making.folder.root.glob("backups/*/data/toc.dat"))


@pytest.mark.one_server
@pytest.mark.parametrize("stage", [_is_begun, _is_copying, _is_almost_done])
def test_killed_itself_it_leaves_no_backup_and_the_next_cleans_up(
    noisy: Database, make: Make, stage: Callable[[Making, Database], bool]
) -> None:
    killed = make(noisy)
    eventually(lambda: stage(killed, noisy))
    killed.tell(signal.SIGKILL)
    killed.ends()
    found = find_backups(killed.folder)
    assert found.backups == ()
    [left] = found.unfinished
    eventually(lambda: not killed.tools(), message="its programs end")
    after = make(noisy, "--compression", "gzip:1")
    assert after.ends() == 0
    assert f"{left} was begun and not ended; its remains were removed." in after.said
    # Within the same second it has the name of the one that was removed.
    [whole] = list_backups(after.folder)
    assert all(key.startswith(f"backups/{whole.name}/") for key in after.has_left())
    assert find_backups(after.folder).unfinished == ()


@pytest.mark.one_server
@pytest.mark.parametrize("kind", ["dump", "sql"])
def test_a_killed_pg_dump_is_named_and_leaves_nothing(
    noisy: Database, make: Make, kind: str
) -> None:
    making = make(noisy, "--kind", kind, "--compression", "gzip:9")
    eventually(lambda: copying(noisy, "noise1"))
    # The first of them started the others.
    os.kill(min(making.tools()), signal.SIGKILL)
    assert making.ends() == 1
    assert "pg_dump failed" in making.said
    assert "SIGKILL" in making.said
    assert making.has_left() == []
    eventually(lambda: not making.tools(), message="its workers end")


@pytest.mark.one_server
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_it_leaves_nothing(
    noisy: Database, make: Make, number: signal.Signals
) -> None:
    making = make(noisy)
    eventually(lambda: copying(noisy, "noise1"))
    making.tell(number)
    assert making.ends() != 0
    assert "Traceback" not in making.said
    eventually(lambda: not making.tools(), message="its programs end")
    if number == signal.SIGINT:
        assert making.has_left() == []


def _stop_at_once(server: EmbeddedServer) -> None:
    server.stop("immediate")


def _kill(server: EmbeddedServer) -> None:
    pid = server.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


@pytest.mark.one_server
@pytest.mark.parametrize(
    ("kill", "stage"),
    [
        (_stop_at_once, _is_copying),
        *((_kill, s) for s in (_is_begun, _is_copying, _is_almost_done)),
    ],
)
def test_a_killed_server_is_named_and_leaves_nothing(
    own_server: OwnServers,
    make: Make,
    kill: Callable[[EmbeddedServer], None],
    stage: Callable[[Making, Database], bool],
) -> None:
    server = own_server()
    server.start()
    database = Database(server.dsn(), "agentic_ai")
    with connect(database) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS agentic_ai")
    fill_with_noise(database, megabytes=12)
    making = make(database)
    eventually(lambda: stage(making, database))
    # It may not have come to an end before the server does.
    making.tell(signal.SIGSTOP)
    kill(server)
    making.tell(signal.SIGCONT)
    assert making.ends() == 3, making.said
    assert "cannot reach the database" in making.said or "shutting down" in making.said
    assert making.has_left() == []


def test_an_ended_session_of_ours_leaves_nothing(noisy: Database, make: Make) -> None:
    making = make(noisy)
    eventually(lambda: copying(noisy, "noise1"))
    with connect(noisy) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'agentpg backup' AND datname = current_database()"
        )
    assert making.ends() == 3
    assert making.has_left() == []
    eventually(lambda: not making.tools(), message="its programs end")


@pytest.mark.one_server
@as_root
@pytest.mark.parametrize("kind", ["dump", "sql"])
def test_a_full_disk_is_named_and_leaves_nothing(
    noisy: Database, make: Make, small: Path, kind: str
) -> None:
    place = str(small / "repository")
    making = make(noisy, "--kind", kind, AGENTPG_BACKUP_REPOSITORY=place)
    assert making.ends() == 1
    assert f"the backup repository {place} is full" in making.said
    assert making.has_left() == []


@pytest.mark.one_server
@as_root
def test_a_disk_that_is_too_small_is_told_before(noisy: Database, make: Make, small: Path) -> None:
    with connect(noisy) as connection:
        connection.execute("CREATE TABLE wide (text text)")
        connection.execute("ALTER TABLE wide ALTER text SET STORAGE PLAIN")
        connection.execute(
            "INSERT INTO wide SELECT repeat('x', 7000) FROM generate_series(1, 24000)"
        )
    making = make(noisy, AGENTPG_BACKUP_REPOSITORY=str(small / "repository"))
    assert making.ends() == 1
    assert "this backup takes about" in making.said
    assert not (small / "repository" / "backups").exists()


@pytest.mark.parametrize(
    "work",
    [
        "VACUUM FULL notes",
        pytest.param("ALTER TABLE notes ADD COLUMN more int", marks=pytest.mark.one_server),
        pytest.param("TRUNCATE notes", marks=pytest.mark.one_server),
    ],
)
def test_who_needs_a_table_meanwhile_is_named_and_it_is_tried_again(
    noisy: Database, make: Make, work: str
) -> None:
    _run(noisy, "CREATE TABLE noise2 AS TABLE noise1")
    _run(noisy, "ANALYZE noise2")
    # Each of two connections copies noise, and then finds others before it at the third table.
    making = make(noisy, "--jobs", "2")
    eventually(lambda: copying(noisy, "noise1"))
    other = threading.Thread(target=_run, args=(noisy, work))
    other.start()
    code = making.ends()
    other.join()
    assert code == 0, making.said
    assert "It is tried once more" in making.said
    assert work in making.said
    assert len(list_backups(making.folder)) == 1


def test_who_holds_a_table_is_named(noisy: Database, make: Make) -> None:
    with connect(noisy, "the nightly job", autocommit=False) as connection:
        connection.execute("LOCK TABLE notes IN ACCESS EXCLUSIVE MODE")
        making = make(noisy, "--lock-wait", "300ms")
        assert making.ends() == 1
    assert making.said.count("within 0.3 s") == 2
    assert "the nightly job" in making.said
    assert "LOCK TABLE notes" in making.said
    assert "It is tried once more" in making.said
    assert making.has_left() == []


def test_two_at_once_are_refused(noisy: Database, make: Make) -> None:
    first = make(noisy)
    eventually(lambda: copying(noisy, "noise1"))
    first.tell(signal.SIGSTOP)
    second = make(noisy)
    assert second.ends() == 4
    assert "is under way already" in second.said
    first.tell(signal.SIGCONT)
    assert first.ends() == 0
    assert len(list_backups(first.folder)) == 1


@pytest.mark.one_server
def test_no_password_is_anywhere(
    noisy: Database, make: Make, superuser_dsn: Callable[..., str]
) -> None:
    with connect(noisy) as connection:
        place = f"port={connection.info.port} dbname={connection.info.dbname}"
    with connect(Database(superuser_dsn())) as connection:
        connection.execute("CREATE ROLE keeper LOGIN PASSWORD 'pass w0rd' IN ROLE pg_read_all_data")
    try:
        dsn = f"host=127.0.0.1 {place} user=keeper password='pass w0rd'"
        making = make(noisy, AGENTPG_DSN_BACKUP=dsn)
        eventually(making.tools)
        lines = [line for _, line in command_lines() if making.is_ours(line)]
        assert making.ends() == 0, making.said
    finally:
        with connect(Database(superuser_dsn())) as connection:
            connection.execute("DROP ROLE keeper")
    assert lines
    assert not any("w0rd" in part for line in lines for part in line)
    for path in making.folder.root.rglob("*"):
        assert not path.is_file() or b"w0rd" not in path.read_bytes()


def _run(database: Database, statement: str) -> None:
    with connect(database) as connection:
        connection.execute(statement.encode())


def test_a_role_that_may_not_read_all_is_told_what(
    noisy: Database, make: Make, superuser_dsn: Callable[..., str]
) -> None:
    with connect(noisy) as connection:
        place = f"port={connection.info.port} dbname={connection.info.dbname}"
    role = f"stranger_{os.getpid()}"
    with connect(Database(superuser_dsn())) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'".encode())
    try:
        dsn = f"host=127.0.0.1 {place} user={role} password=x"
        making = make(noisy, AGENTPG_DSN_BACKUP=dsn)
        assert making.ends() == 4
    finally:
        with connect(Database(superuser_dsn())) as connection:
            connection.execute(f"DROP ROLE {role}".encode())
    assert "agentic_ai.agent_executions" in making.said
    assert "pg_read_all_data" in making.said
    assert making.has_left() == []


@pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed")
def test_a_pooler_that_keeps_no_session_is_refused(database: Database, make: Make) -> None:
    with pgbouncer(database) as pooler:
        making = make(pooler.database)
        assert making.ends() == 4
    assert "AGENTPG_DSN_BACKUP" in making.said
    assert making.has_left() == []


@pytest.mark.one_server
def test_the_stage_of_a_killed_run_is_removed_by_the_next(noisy: Database, make: Make) -> None:
    # A key of its own costs nothing, and a passphrase a second each time.
    sealing = {"AGENTPG_BACKUP_RECIPIENTS": str(x25519.Identity.generate().to_public())}
    killed = make(noisy, **sealing)
    eventually(lambda: copying(noisy, "noise1"))
    killed.tell(signal.SIGKILL)
    killed.ends()
    assert any((killed.home / "stages").rglob("*.gz"))
    eventually(lambda: not killed.tools(), message="its programs end")
    after = make(noisy, "--compression", "gzip:1", **sealing)
    assert after.ends() == 0
    assert list((after.home / "stages").iterdir()) == []
    [backup] = list_backups(after.folder)
    assert all(file.path.endswith(".age") for file in backup.files)
