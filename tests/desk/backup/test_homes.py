"""A cluster recovered beside the one that is, and in its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agentpg.db import Database, connect
from agentpg.desk.backup.creating import CreateOptions
from agentpg.desk.backup.folder import Folder
from agentpg.desk.backup.homes import HomeWork, exchange_clusters, recover_home
from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.targets import Target
from agentpg.embedded.binaries import find_binaries
from agentpg.errors import FolderInTheWay, ServerStillRuns
from tests.desk.backup.clusters import Cluster, make_cluster
from tests.desk.backup.conftest import fill
from tests.servers import PG_BIN, SCHEMA, OwnServers

_COUNT = "SELECT count(*) FROM notes"


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


def _work(cluster: Cluster, backup: Backup, home: Path) -> HomeWork:
    return HomeWork(
        backup=backup,
        repository=cluster.folder,
        target=Target(by="backup"),
        home=home,
        beside=cluster.home,
        binaries=find_binaries(PG_BIN),
        opener=cluster.opener(backup),
        tablespaces={},
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
