"""Archiving WAL: whole or not at all, never over another, and what is said when it fails."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from importlib import resources
from pathlib import Path

import pytest

from agentpg.db import Database, connect
from agentpg.desk.backup.creating import CreateOptions
from agentpg.desk.backup.recovery.archiving import (
    look_at_archiving,
    prove_archiving,
    read_archiver,
    turn_off,
    turn_on,
)
from agentpg.desk.backup.recovery.homes import exchange_clusters
from agentpg.desk.backup.recovery.recovering import recover
from agentpg.desk.backup.recovery.targets import Target
from agentpg.desk.backup.recovery.wal import unpacking
from agentpg.desk.backup.storage.folder import Folder, open_folder
from agentpg.embedded.binaries import find_binaries
from agentpg.errors import (
    ArchivingFailed,
    ArchivingNotOurs,
    TargetOutOfRange,
    TimelineUnclear,
    WalDamaged,
    WalMissing,
)
from tests.desk.backup.clusters import Cluster, make_cluster
from tests.desk.backup.ledger import Ledger, rows_of
from tests.servers import PG_BIN, OwnServers
from tests.waiting import eventually

_NAME = "000000010000000000000001"


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
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m,mode=711", "tmpfs", place], check=False
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The script in an archive of its own."""
    archive = tmp_path / "archive"
    archive.mkdir()
    text = (resources.files("agentpg.desk.backup.recovery") / "archive_wal.sh").read_text()
    (archive / "archive_wal.sh").write_text(text)
    return archive / "archive_wal.sh"


def _call(script: Path, form: str, segment: Path) -> subprocess.CompletedProcess[str]:
    command = ["sh", str(script), form, str(segment), _NAME]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("form", ["gz", "zst"])
def test_an_equal_file_is_a_success_and_another_one_is_not(
    script: Path, tmp_path: Path, form: str
) -> None:
    segment = tmp_path / "segment"
    segment.write_bytes(os.urandom(4096) * 64)
    assert _call(script, form, segment).returncode == 0
    kept = script.parent / f"{_NAME}.{form}"
    before = kept.read_bytes()
    assert kept.stat().st_mtime == pytest.approx(segment.stat().st_mtime, abs=1)
    # In whichever form it is there.
    assert _call(script, "gz", segment).returncode == 0
    segment.write_bytes(os.urandom(4096) * 64)
    refused = _call(script, form, segment)
    assert refused.returncode == 1
    assert "not replaced" in refused.stderr
    assert kept.read_bytes() == before
    there = sorted(path.name for path in script.parent.rglob("*"))
    assert there == [".passing", kept.name, script.name]


def test_what_a_kill_left_goes_and_what_another_writes_stays(script: Path, tmp_path: Path) -> None:
    segment = tmp_path / "segment"
    segment.write_bytes(os.urandom(4096) * 64)
    passing = script.parent / ".passing"
    passing.mkdir()
    left, others = passing / f".{_NAME}.aaaaaaaa", passing / f".{_NAME}.bbbbbbbb"
    for path in (left, others):
        path.write_bytes(b"half of it")
    os.utime(left, (0, 0))
    assert _call(script, "gz", segment).returncode == 0
    assert list(passing.iterdir()) == [others]


@pytest.mark.parametrize("form", ["gz", "zst"])
def test_two_clusters_of_one_origin_do_not_mix_their_files(
    script: Path, tmp_path: Path, form: str
) -> None:
    slow, segment = tmp_path / "slow", tmp_path / "segment"
    os.mkfifo(slow)
    segment.write_bytes(os.urandom(4096) * 64)
    with slow.open("r+b", buffering=0) as feed:
        command = ["sh", str(script), "gz", str(slow), _NAME]
        other = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        eventually(lambda: [one for one in script.parent.rglob(".*") if one.is_file()])
        assert _call(script, form, segment).returncode == 0
        feed.write(b"what the other one has")
    _, said = other.communicate()
    assert other.returncode == 1, said
    [kept] = script.parent.glob(f"{_NAME}*")
    with kept.open("rb") as stored:
        assert unpacking(stored, kept.name).read() == segment.read_bytes()
    assert not list((script.parent / ".passing").iterdir())


def test_the_archive_of_another_is_taken_over_only_by_force(
    cluster: Cluster, tmp_path: Path
) -> None:
    with connect(cluster.database) as connection:
        with pytest.raises(ArchivingNotOurs, match=cluster.folder.place):
            turn_on(connection, open_folder(tmp_path / "another"))
        command = "PGPASSWORD=s3cret cp %p /elsewhere/%f"
        connection.execute(f"ALTER SYSTEM SET archive_command = '{command}'".encode())
        connection.execute("SELECT pg_reload_conf()")
        eventually(lambda: read_archiver(connection).command == command)
        with pytest.raises(ArchivingNotOurs, match=r"PGPASSWORD=\*\*\* cp %p /elsewhere/%f"):
            turn_on(connection, cluster.folder)
        shown = look_at_archiving(connection, cluster.folder).archiver.command
        assert "s3cret" not in shown
        assert read_archiver(connection).command == command
        turn_on(connection, cluster.folder, force=True)
        cluster.end_segment()
        turn_on(connection, cluster.folder)


@pytest.mark.one_server
def test_a_full_archive_is_told_and_goes_on_when_there_is_room(
    cluster: Cluster, small_disk: Path
) -> None:
    place = open_folder(small_disk / "repository")
    with connect(cluster.database) as connection:
        turn_on(connection, place, force=True)
        _fill_up(small_disk / "filler")
        with pytest.raises(ArchivingFailed):
            prove_archiving(connection, place, timedelta(seconds=3))
        status = look_at_archiving(connection, place)
        assert not status.is_well
        assert status.archiver.failing_since is not None
        assert status.waiting
        (small_disk / "filler").unlink()
        eventually(lambda: look_at_archiving(connection, place).waiting == 0)
        assert look_at_archiving(connection, place).archiver.failing_since is None


def _fill_up(filler: Path) -> None:
    """Leave no byte free."""
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(65536))


def test_what_is_turned_off_goes_on_until_the_restart(cluster: Cluster, tmp_path: Path) -> None:
    with connect(cluster.database) as connection:
        assert look_at_archiving(connection, cluster.folder).is_well
        # To another repository nothing comes, however well it goes.
        assert not look_at_archiving(connection, open_folder(tmp_path / "another")).is_well
        assert turn_off(connection).restart_needed
        prove_archiving(connection, cluster.folder, timedelta(seconds=30))
    cluster.server.stop()
    cluster.server.start()
    with connect(cluster.database) as connection:
        assert not look_at_archiving(connection, cluster.folder).archiver.is_on


def _segments(cluster: Cluster, wanted: int) -> list[Path]:
    """End so many segments; all that are archived."""
    for _ in range(wanted):
        fill_more(cluster)
        cluster.end_segment()
    place = cluster.folder.folder("wal")
    assert place is not None
    return sorted(path for path in place.glob("*/0*") if len(path.name.split(".")[0]) == 24)


def fill_more(cluster: Cluster) -> None:
    """Commit something."""
    with connect(cluster.database) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS more (number int)")
        connection.execute("INSERT INTO more VALUES (1)")


@pytest.mark.one_server
def test_wal_that_is_missing_in_the_middle_is_named_before_anything_starts(
    cluster: Cluster,
) -> None:
    backup = cluster.back_up()
    segments = _segments(cluster, 4)
    missing = segments[-2]
    missing.rename(missing.with_name("aside"))
    name = missing.name.split(".")[0]
    with pytest.raises(WalMissing, match=name):
        cluster.recover(backup, Target(by="latest"))
    with connect(cluster.database) as connection:
        status = look_at_archiving(connection, cluster.folder)
    assert [(gap.first, gap.segments) for gap in status.gaps] == [(name, 1)]
    assert not status.is_well


@pytest.mark.one_server
def test_a_flipped_bit_in_the_wal_ends_the_recovery(cluster: Cluster) -> None:
    backup = cluster.back_up()
    damaged = _segments(cluster, 3)[-2]
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(WalDamaged, match=damaged.name.split(".")[0]):
        cluster.recover(backup, Target(by="latest"))


@pytest.mark.one_server
def test_a_moment_that_is_out_of_reach_is_refused_with_what_is_possible(cluster: Cluster) -> None:
    backup = cluster.back_up()
    for moment in (backup.begun_at, backup.begun_at.replace(year=2100)):
        with pytest.raises(TargetOutOfRange) as refused:
            cluster.recover(backup, Target(by="time", at=moment))
        assert str(backup.taken_at.year) in refused.value.advice()


def test_an_idle_moment_is_reached_though_nothing_was_committed_after_it(cluster: Cluster) -> None:
    backup = cluster.back_up()
    fill_more(cluster)
    with connect(cluster.database) as connection:
        [(moment,)] = connection.execute("SELECT clock_timestamp()").fetchall()
        # WAL goes on, without a commit.
        connection.execute("SELECT pg_logical_emit_message(false, 'idle', 'idle')")
    eventually(lambda: _is_later(cluster, moment))
    target = Target(by="time", at=moment)
    with cluster.recovered(backup, target) as database, connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM more").fetchone() == (1,)


@pytest.mark.one_server
def test_what_gets_into_the_archive_meanwhile_is_not_recovered(cluster: Cluster) -> None:
    backup = cluster.back_up()
    fill_more(cluster)
    cluster.end_segment()
    prepared, home = cluster.prepare(backup, Target(by="latest"))
    fill_more(cluster)
    cluster.end_segment()
    recover(prepared, find_binaries(PG_BIN), home / "recovery.log")
    server = cluster.started(home)
    with connect(Database(server.dsn("postgres"))) as connection:
        assert connection.execute("SELECT count(*) FROM more").fetchone() == (1,)


def _is_later(cluster: Cluster, moment: object) -> bool:
    cluster.end_segment()
    with connect(cluster.database) as connection:
        found = connection.execute("SELECT clock_timestamp() > %s + interval '2 s'", [moment])
        return bool(found.fetchone() == (True,))


@pytest.mark.one_server
def test_a_second_recovery_works_after_a_first(cluster: Cluster) -> None:
    backup = cluster.back_up()
    fill_more(cluster)
    with connect(cluster.database) as connection:
        connection.execute("SELECT pg_create_restore_point('one')")
        [(lsn,)] = connection.execute("SELECT pg_current_wal_lsn()::text").fetchall()
    fill_more(cluster)
    cluster.end_segment()
    one = Target(by="name", value="one", lsn=lsn)
    _, home = cluster.recover(backup, one)
    cluster.server.stop()
    exchange_clusters(cluster.home, home)
    cluster.server.start()
    fill_more(cluster)
    fill_more(cluster)
    cluster.end_segment()
    with pytest.raises(TimelineUnclear):
        cluster.recover(backup, Target(by="latest"))
    for timeline, rows in ((1, 2), (2, 3)):
        target = Target(by="latest", timeline=timeline)
        with cluster.recovered(backup, target) as database, connect(database) as connection:
            assert connection.execute("SELECT count(*) FROM more").fetchone() == (rows,)
    target = replace(one, timeline=1)
    with cluster.recovered(backup, target) as database, connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM more").fetchone() == (1,)


def test_a_killed_server_loses_nothing_that_was_acknowledged_while_its_wal_is_there(
    cluster: Cluster, tmp_path: Path
) -> None:
    ledger = Ledger(cluster.database, tmp_path)
    ledger.grown()
    backup = cluster.back_up()
    ledger.grown(200)
    cluster.server.stop("immediate")
    ledger.stop()
    tail = cluster.server.status().data / "pg_wal"
    with cluster.recovered(backup, Target(by="latest"), tail=tail) as database:
        assert ledger.acknowledged() <= rows_of(database)
