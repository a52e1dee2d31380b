"""Base backups: what they hold, for how long they hold up writes, and what goes wrong."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from agentpg.db import Database, connect, snapshot
from agentpg.desk.backup.creating import CreateOptions, create_backup
from agentpg.desk.backup.drilling import DrillOptions, run_drill
from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.programs import find_programs
from agentpg.desk.backup.proof.comparing import compare
from agentpg.desk.backup.proof.holding import Patience, exact_moment
from agentpg.desk.backup.proof.manifest import Manifest
from agentpg.desk.backup.proof.taking import take_manifest
from agentpg.desk.backup.recovery.preparing import prepare_base, scratch_options
from agentpg.desk.backup.recovery.targets import Copy
from agentpg.desk.backup.scratch import SERVER, ScratchServer
from agentpg.desk.backup.storage.bucket import Bucket
from agentpg.desk.backup.storage.folder import Folder
from agentpg.desk.backup.storage.records import find_backups
from agentpg.errors import (
    AgentpgError,
    CopyDamaged,
    ReplicationRefused,
    RepositoryUnavailable,
    ToolFailed,
    WritesNotHeld,
)
from tests.cable import Cable
from tests.desk.backup.clusters import Cluster, make_cluster
from tests.desk.backup.conftest import fill
from tests.desk.backup.ledger import Ledger, rows_of
from tests.servers import PG_BIN, SCHEMA, OwnServers

_QUICK = Patience(lock=timedelta(milliseconds=200), attempts=2, pause=timedelta(milliseconds=10))


@pytest.fixture
def cluster(
    own_server: OwnServers,
    tmp_path: Path,
    folder: Folder,
    options: Callable[..., CreateOptions],
) -> Cluster:
    """A cluster that does not archive."""
    return make_cluster(
        own_server, tmp_path / "cluster", folder, options, max_prepared_transactions="10"
    )


@pytest.fixture
def ledgers(cluster: Cluster, tmp_path: Path) -> Iterator[Ledger]:
    """Four writers at work on it."""
    made = Ledger(cluster.database, tmp_path, writers=4)
    yield made
    made.stop()


def test_what_the_snapshot_shows_is_what_is_recovered(
    cluster: Cluster, ledgers: Ledger, tmp_path: Path
) -> None:
    ledgers.grown()
    # The snapshot of a moment under load, several times, and recovery to one of them.
    with exact_moment(cluster.database, "first") as first:
        seen = set(
            first.connection.execute("SELECT writer, number FROM agentic_ai.ledger").fetchall()
        )
    assert seen
    backup = cluster.back_up()
    copy = Copy.of(backup)
    assert 0 < copy.held_seconds < 2
    ledgers.grown()
    ledgers.stop()
    tmp_path.chmod(0o711)
    programs = find_programs(PG_BIN, backup.source.server_version // 10_000, *SERVER)
    with ScratchServer(programs, tmp_path / "scratch", scratch_options(backup)) as scratch:
        prepare_base(scratch, backup, cluster.folder, None, programs)
        scratch.start()
        recovered = rows_of(Database(scratch.dsn(backup.source.database), SCHEMA))
    assert seen <= recovered <= rows_of(cluster.database)


def test_a_transaction_that_stays_open_is_named(cluster: Cluster) -> None:
    fill(Database(cluster.server.dsn(), SCHEMA), 10)
    with connect(cluster.database, "a long import", autocommit=False) as writer:
        writer.execute("UPDATE notes SET text = 'x'")
        with (
            pytest.raises(WritesNotHeld, match="a long import"),
            exact_moment(cluster.database, "never", _QUICK),
        ):
            pass
        writer.rollback()
    with exact_moment(cluster.database, "now", _QUICK) as named:
        assert named.attempts == 1


def test_a_prepared_transaction_is_named(cluster: Cluster) -> None:
    fill(Database(cluster.server.dsn(), SCHEMA), 10)
    with connect(cluster.database) as connection:
        connection.execute("BEGIN")
        connection.execute("UPDATE notes SET text = 'x'")
        connection.execute("PREPARE TRANSACTION 'forgotten'")
        with (
            pytest.raises(WritesNotHeld, match="prepared transaction forgotten"),
            exact_moment(cluster.database, "never", _QUICK),
        ):
            pass
        connection.execute("ROLLBACK PREPARED 'forgotten'")


def test_a_role_without_the_right_is_told(cluster: Cluster) -> None:
    owner = Database(cluster.server.dsn(), SCHEMA)
    with pytest.raises(ReplicationRefused, match="admin"):
        create_backup(owner, cluster.folder, cluster.options(kind="base"), lambda step: None)
    assert not find_backups(cluster.folder).backups


@pytest.mark.one_server
def test_a_storage_that_is_cut_off_midway_leaves_no_backup(
    cluster: Cluster, far_bucket: Bucket, bucket: Bucket, cable: Cable, tmp_path: Path
) -> None:
    def back_up() -> Backup:
        chosen = cluster.options(kind="base")
        return create_backup(cluster.database, far_bucket, chosen, lambda step: None)

    cable.cut_after, cable.cuts = 500_000, 1000
    with pytest.raises(RepositoryUnavailable):
        back_up()
    assert cable.cut > 0
    assert [stored.key for stored in bucket.objects("")] == []
    assert list((tmp_path / "stages").iterdir()) == []
    cable.cuts = 0
    made = back_up()
    assert find_backups(bucket).backups == (made,)


@pytest.mark.one_server
def test_a_killed_pg_basebackup_leaves_no_backup(cluster: Cluster) -> None:
    fill(Database(cluster.server.dsn(), SCHEMA), 20_000)
    with connect(cluster.database) as connection:
        # A client that is slow for long enough to be met.
        killed: list[int] = []

        def kill(_: object) -> None:
            found = connection.execute(
                "SELECT 1 FROM pg_stat_progress_basebackup WHERE backup_streamed > 0"
            ).fetchone()
            mine = subprocess.run(
                ["pgrep", "-f", f"pg_basebackup --pgdata={cluster.folder.place}"],
                capture_output=True,
                text=True,
                check=False,
            )
            if found and mine.stdout and not killed:
                pid = int(mine.stdout.split()[-1])
                killed.append(pid)
                subprocess.run(["kill", f"-{signal.SIGKILL.value}", str(pid)], check=True)

        with pytest.raises(ToolFailed, match="pg_basebackup"):
            create_backup(cluster.database, cluster.folder, cluster.options(kind="base"), kill)
    assert killed
    found = find_backups(cluster.folder)
    assert not found.backups
    assert not found.unfinished


@pytest.mark.one_server
def test_a_server_that_is_killed_meanwhile_leaves_no_backup(cluster: Cluster) -> None:
    fill(Database(cluster.server.dsn(), SCHEMA), 20_000)

    def kill(_: object) -> None:
        cluster.server.stop("immediate")

    with pytest.raises(AgentpgError):
        create_backup(cluster.database, cluster.folder, cluster.options(kind="base"), kill)
    assert not find_backups(cluster.folder).backups
    cluster.server.start()
    backup = cluster.back_up()
    assert [one.name for one in find_backups(cluster.folder).backups] == [backup.name]


@pytest.mark.one_server
@pytest.mark.parametrize("file", ["base/base.tar.gz", "base/pg_wal.tar.zst", "wal/*.zst"])
def test_a_flipped_bit_is_found_before_anything_starts(
    cluster: Cluster, tmp_path: Path, file: str
) -> None:
    backup = cluster.back_up()
    place = cluster.folder.folder(f"backups/{backup.name}/data")
    assert place is not None
    damaged = min(place.glob(file))
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 0x10
    damaged.write_bytes(content)
    programs = find_programs(PG_BIN, backup.source.server_version // 10_000, *SERVER)
    with ScratchServer(programs, tmp_path / "scratch", scratch_options(backup)) as scratch:
        with pytest.raises((CopyDamaged, ToolFailed)):
            prepare_base(scratch, backup, cluster.folder, None, programs)
        assert not scratch.data.exists() or not (scratch.data / "PG_VERSION").exists()


@pytest.mark.one_server
def test_the_list_of_another_backup_is_noticed(cluster: Cluster, tmp_path: Path) -> None:
    first = cluster.back_up()
    fill(Database(cluster.server.dsn(), SCHEMA), 100)
    second = cluster.back_up()
    places = [cluster.folder.folder(f"backups/{one.name}/data/base") for one in (first, second)]
    assert places[0] is not None
    assert places[1] is not None
    shutil.copy(places[0] / "backup_manifest", places[1] / "backup_manifest")
    programs = find_programs(PG_BIN, second.source.server_version // 10_000, *SERVER)
    with (
        ScratchServer(programs, tmp_path / "scratch", scratch_options(second)) as scratch,
        pytest.raises(CopyDamaged, match="backup_manifest"),
    ):
        prepare_base(scratch, second, cluster.folder, None, programs)


def test_writes_wait_only_for_a_moment(cluster: Cluster, ledgers: Ledger) -> None:
    ledgers.grown()
    longest = timedelta()
    for number in range(10):
        with exact_moment(cluster.database, f"mark-{number}") as named:
            longest = max(longest, named.held)
        ledgers.grown(1)
    assert longest < timedelta(seconds=2)


def test_a_drill_compares_the_recovered_cluster_with_the_manifest(
    cluster: Cluster, ledgers: Ledger, tmp_path: Path
) -> None:
    ledgers.grown()
    backup = cluster.back_up()
    ledgers.grown()
    ledgers.stop()
    assert backup.tables
    assert backup.rows
    tmp_path.chmod(0o711)
    programs = find_programs(PG_BIN, backup.source.server_version // 10_000, *SERVER)
    with ScratchServer(programs, tmp_path / "scratch", scratch_options(backup)) as scratch:
        prepare_base(scratch, backup, cluster.folder, None, programs)
        scratch.start()
        recovered = Database(scratch.dsn(backup.source.database), SCHEMA)
        with snapshot(recovered) as connection:
            found = take_manifest(connection, SCHEMA, unlogged=False)
    expected = Manifest.parse(
        json.loads(cluster.folder.read(f"backups/{backup.name}/manifest.json"))
    )
    checks = compare(expected, found)
    assert [check for check in checks if check.outcome != "passed"] == []
    drill = run_drill(
        cluster.folder,
        backup.name,
        DrillOptions(parent=tmp_path / "drills", pg_bin=PG_BIN),
        lambda stage: None,
    )
    assert [check for check in drill.checks if check.outcome == "failed"] == []
    assert "restore" in {check.name for check in drill.checks if check.outcome == "passed"}
