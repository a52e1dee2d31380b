"""A cluster recovered beside the one that is, and in its place."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from agentpg.db import Database, connect, literal
from agentpg.desk.backup.creating import CreateOptions
from agentpg.desk.backup.drilling import DrillOptions, run_drill
from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.recovery.homes import (
    HomeWork,
    exchange_clusters,
    recover_home,
    require_one_file_system,
    steps_to_replace,
)
from agentpg.desk.backup.recovery.targets import Target
from agentpg.desk.backup.recovery.unpacking import forbid_archiving
from agentpg.desk.backup.restore.unfinished import Unfinished, reason_of_recovery
from agentpg.desk.backup.storage.folder import Folder
from agentpg.embedded.account import choose_account
from agentpg.embedded.binaries import find_binaries
from agentpg.embedded.folder import Folder as Home
from agentpg.errors import (
    FileNotWritten,
    FolderInTheWay,
    HomesApart,
    NoClusterThere,
    ServerStillRuns,
    UnfinishedNotSettled,
)
from agentpg.schema import migrate
from tests.desk.backup.clusters import Cluster, make_cluster
from tests.desk.backup.conftest import fill
from tests.servers import PG_BIN, SCHEMA, OwnServers
from tests.waiting import eventually

_PLACES = ("/dev/shm", "/tmp", "/var/tmp", "/run")
_COUNT = "SELECT count(*) FROM notes"
_STATES = "SELECT DISTINCT status::text, held_reason FROM tasks"


@pytest.fixture
def cluster(
    own_server: OwnServers,
    tmp_path: Path,
    folder: Folder,
    options: Callable[..., CreateOptions],
) -> Cluster:
    """A cluster that archives, with a hundred notes."""
    made = make_cluster(own_server, tmp_path / "cluster", folder, options)
    made.archive()
    fill(Database(made.server.dsn(), SCHEMA), 100)
    return made


def _work(
    cluster: Cluster, backup: Backup, home: Path, unfinished: Unfinished = "hold"
) -> HomeWork:
    return HomeWork(
        backup=backup,
        repository=cluster.folder,
        target=Target(by="backup"),
        home=home,
        beside=cluster.home,
        binaries=find_binaries(PG_BIN),
        opener=cluster.opener(backup),
        tablespaces={},
        unfinished=unfinished,
    )


@pytest.mark.one_server
def test_a_cluster_takes_the_place_of_another_and_gives_it_back(
    cluster: Cluster, tmp_path: Path
) -> None:
    backup = cluster.back_up()
    database = Database(cluster.server.dsn(), SCHEMA)
    with connect(database) as connection:
        connection.execute("DELETE FROM notes")
    beside = tmp_path / "beside"
    recovered = recover_home(_work(cluster, backup, beside))
    assert recovered.timeline == 2

    other = cluster.servers(home=beside)
    other.start()
    with connect(Database(other.dsn(), SCHEMA)) as connection:
        assert connection.execute(_COUNT).fetchone() == (100,)
        assert connection.execute("SHOW archive_mode").fetchone() == ("off",)
    other.stop()

    with pytest.raises(ServerStillRuns):
        exchange_clusters(cluster.home, beside)
    cluster.server.stop()
    exchange_clusters(cluster.home, beside)
    cluster.server.start()
    with connect(Database(cluster.server.dsn(), SCHEMA)) as connection:
        assert connection.execute(_COUNT).fetchone() == (100,)
    # It goes on archiving, along its own timeline, whose history comes first.
    assert cluster.end_segment().startswith("00000002")
    archived = [stored.key for stored in cluster.folder.objects("wal/")]
    assert any("00000002.history" in key for key in archived)

    cluster.server.stop()
    exchange_clusters(cluster.home, beside)
    cluster.server.start()
    with connect(Database(cluster.server.dsn(), SCHEMA)) as connection:
        assert connection.execute(_COUNT).fetchone() == (0,)

    # A second one from the same moment begins a timeline of its own, and so can archive too.
    again = tmp_path / "again"
    assert recover_home(_work(cluster, backup, again)).timeline == 3
    cluster.server.stop()
    exchange_clusters(cluster.home, again)
    cluster.server.start()
    assert cluster.end_segment().startswith("00000003")


@pytest.mark.one_server
def test_what_was_not_archived_is_by_who_comes_and_by_who_comes_back(
    cluster: Cluster, tmp_path: Path
) -> None:
    backup = cluster.back_up()
    [(command,)] = _archive_by(cluster, "false")
    for _ in range(3):
        with connect(cluster.database) as connection:
            connection.execute("INSERT INTO notes (text) VALUES ('late')")
            connection.execute("SELECT pg_switch_wal()")
    cluster.server.stop("immediate")

    beside = tmp_path / "beside"
    latest = replace(
        _work(cluster, backup, beside),
        target=Target(by="latest"),
        tail=cluster.server.status().data / "pg_wal",
    )
    recover_home(latest)
    exchange_clusters(cluster.home, beside)
    cluster.server.start()
    cluster.end_segment()
    # Nothing is missing along the new timeline.
    along = Target(by="latest", timeline=2)
    with cluster.recovered(backup, along) as database, connect(database) as connection:
        assert connection.execute(_COUNT).fetchone() == (103,)

    cluster.server.stop()
    exchange_clusters(cluster.home, beside)
    cluster.server.start()
    with connect(cluster.database) as connection:
        assert connection.execute(_COUNT).fetchone() == (103,)
    _archive_by(cluster, command)
    assert cluster.end_segment().startswith("00000001")


def _archive_by(cluster: Cluster, command: str) -> list[tuple[str]]:
    """Let the server use another archive command; the one that it had."""
    with connect(cluster.database) as connection:
        had = connection.execute("SHOW archive_command").fetchall()
        connection.execute(f"ALTER SYSTEM SET archive_command = {literal(command)}".encode())
        connection.execute("SELECT pg_reload_conf()")
    return had


@pytest.mark.one_server
def test_the_steps_for_a_server_of_one_s_own_leave_nothing_out(
    cluster: Cluster, tmp_path: Path
) -> None:
    backup = cluster.back_up()
    beside = tmp_path / "beside"
    recovered = recover_home(_work(cluster, backup, beside))
    # The private server knows its folder by a descriptor, where its home is closed to it.
    places = {"data_directory": str(cluster.server.status().data)}
    backup = replace(backup, details={**backup.details, "places": places})
    steps = steps_to_replace(backup, beside, recovered.timeline)
    assert [step for step in steps if step.startswith("systemctl")] == [steps[0], steps[-1]]
    cluster.server.stop()
    for step in steps[1:-1]:
        subprocess.run(["sh", "-e", "-c", step], check=True)
    cluster.server.start()
    assert cluster.end_segment().startswith("00000002")
    archived = [stored.key for stored in cluster.folder.objects("wal/")]
    assert any("00000002.history" in key for key in archived)
    # A second time, what was put aside would be in the way.
    refused = subprocess.run(["sh", "-c", steps[1]], check=False, capture_output=True)
    assert refused.returncode != 0


@pytest.mark.one_server
def test_a_timeline_that_was_never_archived_is_followed_to_its_end(
    cluster: Cluster, tmp_path: Path
) -> None:
    backup = cluster.back_up()
    beside = tmp_path / "beside"
    recover_home(_work(cluster, backup, beside))
    cluster.server.stop()
    exchange_clusters(cluster.home, beside)
    cluster.server.start()
    with connect(cluster.database) as connection:
        connection.execute("ALTER SYSTEM SET archive_mode = off")
    cluster.server.stop()
    for history in Path(cluster.folder.place, "wal").rglob("*.history.*"):
        history.unlink()
    cluster.server.start()
    with connect(cluster.database) as connection:
        connection.execute("INSERT INTO notes (text) VALUES ('late')")
    cluster.server.stop("immediate")
    tail = cluster.server.status().data / "pg_wal"
    along = Target(by="latest", timeline=2)
    with cluster.recovered(backup, along, tail) as database, connect(database) as connection:
        assert connection.execute(_COUNT).fetchone() == (101,)


@pytest.mark.without_server
def test_two_homes_that_can_not_change_places_stay_as_they_were(tmp_path: Path) -> None:
    elsewhere = next(
        (path for path in map(Path, _PLACES) if _is_apart(path, tmp_path)),
        None,
    )
    if elsewhere is None:
        pytest.skip("there is one file system alone")
    with tempfile.TemporaryDirectory(dir=elsewhere) as apart:
        here, there = Home(tmp_path / "here"), Home(Path(apart, "there"))
        for home, line in ((here, "archive_command = 'x'\n"), (there, "")):
            (home.data / "pg_wal" / "archive_status").mkdir(parents=True)
            (home.data / "PG_VERSION").write_text("18\n")
            (home.data / "postgresql.auto.conf").write_text(line)
        forbid_archiving(there.data, choose_account(there.data))
        before = [(home.data / "postgresql.auto.conf").read_text() for home in (here, there)]
        with pytest.raises(NoClusterThere):
            exchange_clusters(here.home, here.home)
        with pytest.raises(HomesApart):
            require_one_file_system(here.home, there.home / "not" / "there")
        with pytest.raises(FileNotWritten):
            exchange_clusters(here.home, there.home)
        after = [(home.data / "postgresql.auto.conf").read_text() for home in (here, there)]
    assert after == before


def _is_apart(path: Path, other: Path) -> bool:
    return os.access(path, os.W_OK) and path.stat().st_dev != other.stat().st_dev


@pytest.mark.one_server
def test_a_folder_that_is_there_is_not_touched(cluster: Cluster, tmp_path: Path) -> None:
    backup = cluster.back_up()
    there = tmp_path / "there"
    there.mkdir()
    (there / "file").write_text("mine")
    with pytest.raises(FolderInTheWay):
        recover_home(_work(cluster, backup, there))
    assert (there / "file").read_text() == "mine"


def test_every_installation_is_held_before_anybody_can_connect(
    cluster: Cluster, tmp_path: Path
) -> None:
    other = Database(cluster.server.dsn("postgres", "other"), "elsewhere")
    with connect(cluster.database) as connection:
        # What the source has set must not keep us from writing.
        connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        connection.execute("CREATE DATABASE other")
        connection.execute("CREATE DATABASE closed ALLOW_CONNECTIONS false")
    migrate(other)
    with connect(other) as connection:
        connection.execute(
            "INSERT INTO elsewhere.tasks (id, agent_name, task_type, status, created_at)"
            " VALUES (gen_random_uuid(), 'Agent', 'work', 'pending', now())"
        )
        connection.execute("ALTER DATABASE other SET statement_timeout = '1ms'")
    backup = cluster.back_up()
    reason = reason_of_recovery(backup, Target(by="backup"))
    beside = tmp_path / "beside"
    assert recover_home(_work(cluster, backup, beside)).unfinished == 101

    started = cluster.servers(home=beside)
    started.start()
    with connect(Database(started.dsn(), SCHEMA)) as connection:
        assert connection.execute(_STATES).fetchall() == [("pending", reason)]
    # A SET would have to be done within the millisecond.
    unlimited = make_conninfo(started.dsn("postgres", "other"), options="-c statement_timeout=0")
    with connect(Database(unlimited)) as connection:
        connection.execute("SET search_path = elsewhere")
        assert connection.execute(_STATES).fetchall() == [("pending", reason)]


@pytest.mark.parametrize(
    ("choice", "number", "status"), [("keep", None, "pending"), ("fail", 100, "failed")]
)
def test_they_are_kept_or_ended_where_that_is_said(
    cluster: Cluster, tmp_path: Path, choice: Unfinished, number: int | None, status: str
) -> None:
    backup = cluster.back_up()
    beside = tmp_path / "beside"
    assert recover_home(_work(cluster, backup, beside, choice)).unfinished == number
    started = cluster.servers(home=beside)
    started.start()
    with connect(Database(started.dsn(), SCHEMA)) as connection:
        assert connection.execute(_STATES).fetchall() == [(status, None)]


def test_no_copy_takes_the_changes_of_a_subscription(cluster: Cluster, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as publisher:
        publisher.setblocking(False)
        with connect(cluster.database) as connection:
            connection.execute(
                "CREATE SUBSCRIPTION orders"
                f" CONNECTION 'host=127.0.0.1 port={publisher.getsockname()[1]}'"
                " PUBLICATION orders WITH (connect = false, slot_name = 'orders')".encode()
            )
            connection.execute("ALTER SUBSCRIPTION orders ENABLE")
        backup = cluster.back_up()
        # The source itself goes there.
        eventually(lambda: _calls(publisher))
        cluster.server.stop("immediate")
        while _calls(publisher):
            pass
        drill = run_drill(
            cluster.folder,
            backup.name,
            DrillOptions(parent=tmp_path / "scratch", pg_bin=PG_BIN),
            lambda _: None,
        )
        assert drill.outcome == "passed"
        beside = tmp_path / "beside"
        recovered = recover_home(_work(cluster, backup, beside, "keep"))
        assert recovered.subscriptions == (f"{cluster.database.name()}.orders",)
        started = cluster.servers(home=beside)
        started.start()
        with connect(Database(started.dsn("postgres"))) as connection:
            enabled = "SELECT subname, subenabled FROM pg_subscription"
            assert connection.execute(enabled).fetchall() == [("orders", False)]
        assert not _calls(publisher)


def _calls(publisher: socket.socket) -> bool:
    """Whether somebody has connected, who is turned away."""
    try:
        publisher.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def test_what_can_not_be_held_is_said(cluster: Cluster, tmp_path: Path) -> None:
    with connect(cluster.database) as connection:
        connection.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN RAISE 'nobody changes a task'; END$$"
        )
        connection.execute(
            "CREATE TRIGGER refuse BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
        # Any other does not fire for what no application does.
        connection.execute("ALTER TABLE tasks ENABLE ALWAYS TRIGGER refuse")
    backup = cluster.back_up()
    with pytest.raises(UnfinishedNotSettled, match="nobody changes a task"):
        recover_home(_work(cluster, backup, tmp_path / "beside"))
    kept = recover_home(_work(cluster, backup, tmp_path / "again", "keep"))
    assert kept.unfinished is None
