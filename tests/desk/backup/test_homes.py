"""A cluster recovered beside the one that is, and in its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agentpg.db import Database, connect
from agentpg.desk.backup.creating import CreateOptions
from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.recovery.homes import HomeWork, exchange_clusters, recover_home
from agentpg.desk.backup.recovery.targets import Target
from agentpg.desk.backup.restore.unfinished import Unfinished, reason_of_recovery
from agentpg.desk.backup.storage.folder import Folder
from agentpg.embedded.binaries import find_binaries
from agentpg.errors import FolderInTheWay, ServerStillRuns, UnfinishedNotSettled
from agentpg.schema import migrate
from tests.desk.backup.clusters import Cluster, make_cluster
from tests.desk.backup.conftest import fill
from tests.servers import PG_BIN, SCHEMA, OwnServers

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
    backup = cluster.back_up()
    reason = reason_of_recovery(backup, Target(by="backup"))
    beside = tmp_path / "beside"
    assert recover_home(_work(cluster, backup, beside)).unfinished == 101

    started = cluster.servers(home=beside)
    started.start()
    with connect(Database(started.dsn(), SCHEMA)) as connection:
        assert connection.execute(_STATES).fetchall() == [("pending", reason)]
    with connect(Database(started.dsn("postgres", "other"))) as connection:
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


def test_what_can_not_be_held_is_said(cluster: Cluster, tmp_path: Path) -> None:
    with connect(cluster.database) as connection:
        connection.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN RAISE 'nobody changes a task'; END$$"
        )
        connection.execute(
            "CREATE TRIGGER refuse BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    backup = cluster.back_up()
    with pytest.raises(UnfinishedNotSettled, match="nobody changes a task"):
        recover_home(_work(cluster, backup, tmp_path / "beside"))
    kept = recover_home(_work(cluster, backup, tmp_path / "again", "keep"))
    assert kept.unfinished is None
