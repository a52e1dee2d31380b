"""Recovery to a moment: everything that was acknowledged before it, and nothing after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentpg.db import connect
from agentpg.desk.backup.creating import CreateOptions
from agentpg.desk.backup.recovery.targets import Target
from agentpg.desk.backup.storage.folder import Folder
from tests.desk.backup.clusters import Cluster, make_cluster
from tests.desk.backup.ledger import Ledger, rows_of
from tests.servers import OwnServers


@pytest.fixture
def cluster(
    own_server: OwnServers,
    tmp_path: Path,
    folder: Folder,
    options: Callable[..., CreateOptions],
) -> Cluster:
    """A cluster that archives its WAL."""
    made = make_cluster(own_server, tmp_path / "cluster", folder, options)
    made.archive()
    return made


@pytest.fixture
def ledger(cluster: Cluster, tmp_path: Path) -> Iterator[Ledger]:
    """A writer at work on it."""
    made = Ledger(cluster.database, tmp_path)
    yield made
    made.stop()


def test_the_latest_moment_has_every_acknowledged_commit(cluster: Cluster, ledger: Ledger) -> None:
    ledger.grown()
    backup = cluster.back_up()
    ledger.grown()
    ledger.stop()
    cluster.end_segment()
    with cluster.recovered(backup, Target(by="latest")) as database:
        assert ledger.acknowledged() <= rows_of(database)


def test_a_time_is_met_to_the_transaction(cluster: Cluster, ledger: Ledger) -> None:
    ledger.grown()
    backup = cluster.back_up()
    ledger.grown()
    with connect(cluster.database) as connection:
        [(moment,)] = connection.execute("SELECT clock_timestamp()").fetchall()
    ledger.grown()
    ledger.stop()
    cluster.end_segment()
    with connect(cluster.database) as connection:
        found = connection.execute(
            "SELECT writer, number FROM ledger WHERE pg_xact_commit_timestamp(xmin) <= %s", [moment]
        ).fetchall()
    with cluster.recovered(backup, Target(by="time", at=moment)) as database:
        assert rows_of(database) == set(found)


@pytest.mark.parametrize("by", ["lsn", "name"])
def test_a_position_and_a_mark_are_met(cluster: Cluster, ledger: Ledger, by: str) -> None:
    ledger.grown()
    backup = cluster.back_up()
    with connect(cluster.database) as connection:
        # Of the same name, and not meant.
        connection.execute("SELECT pg_create_restore_point('here')")
    before = ledger.grown()
    with connect(cluster.database) as connection:
        [(lsn,)] = connection.execute(
            "SELECT pg_current_wal_insert_lsn()::text"
            if by == "lsn"
            else "SELECT pg_create_restore_point('here')::text"
        ).fetchall()
    after = rows_of(cluster.database)
    ledger.grown()
    ledger.stop()
    cluster.end_segment()
    target = (
        Target(by="lsn", value=lsn) if by == "lsn" else Target(by="name", value="here", lsn=lsn)
    )
    with cluster.recovered(backup, target) as database:
        assert before <= rows_of(database) <= after
