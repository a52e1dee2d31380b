"""Disks that become full, of the repository, the server and the scratch, at every stage."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agentpg.db import Database, connect
from agentpg.desk.backup.creating import CreateOptions, create_backup
from agentpg.desk.backup.drilling import DrillOptions, run_drill
from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.recovery.homes import HomeWork, recover_home
from agentpg.desk.backup.recovery.targets import Target
from agentpg.desk.backup.restore.naming import is_staged
from agentpg.desk.backup.restore.plan import RestoreOptions
from agentpg.desk.backup.restore.restoring import open_restore
from agentpg.desk.backup.restore.swapping import drop_databases, kept_databases
from agentpg.desk.backup.storage.folder import open_folder
from agentpg.desk.backup.storage.records import complete
from agentpg.desk.backup.storage.repository import Repository
from agentpg.embedded.account import choose_account
from agentpg.embedded.binaries import find_binaries
from agentpg.errors import (
    AgentpgError,
    FileNotWritten,
    RecoveryDiskFull,
    RecoveryTooSmall,
    RepositoryFull,
    RestoreDiskFull,
)
from agentpg.quantities import size_in_short
from tests.desk.backup.clusters import Cluster, make_cluster
from tests.desk.backup.making import fill_with_noise
from tests.servers import PG_BIN, Mould, OwnServers, Reaper
from tests.small_disk import as_root, fill_up, room_of, small_disk

pytestmark = [as_root, pytest.mark.one_server, pytest.mark.xdist_group("full_disks")]

_MIB = 1024**2
_KINDS = ("dump", "sql", "base")


def _ignore(*_: object) -> None:
    return


@pytest.fixture(scope="module")
def cluster(
    reaper: Reaper, mould: Mould, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A server with megabytes that nothing compresses, and a backup of each kind."""
    place = tmp_path_factory.mktemp("full")
    for above in (place, place.parent):
        above.chmod(0o711)
    servers = OwnServers(place, reaper, mould)

    def options(**other: object) -> CreateOptions:
        chosen = {"compression": "gzip:1", "stages": place / "stages", "pg_bin": PG_BIN, **other}
        return CreateOptions(**chosen)  # type: ignore[arg-type]

    folder = open_folder(place / "repository")
    made = make_cluster(servers, place / "cluster", folder, options)
    # Its dump is restored without WAL, in about as much room as it takes.
    fill_with_noise(Database(made.server.dsn(), "agentic_ai"), megabytes=24)
    yield made
    servers.close()


@pytest.fixture(scope="module")
def backups(cluster: Cluster) -> dict[str, Backup]:
    """One of each kind."""
    return {kind: _create(cluster, cluster.folder, kind) for kind in _KINDS}


def _create(cluster: Cluster, folder: Repository, kind: str) -> Backup:
    return create_backup(cluster.database, folder, cluster.options(kind=kind), _ignore)


def _files(folder: Repository, backup: Backup) -> list[Path]:
    """Its files in the order in which they come to be."""
    place = folder.folder(f"backups/{backup.name}")
    assert place is not None
    made = [place / file.path for file in backup.files]
    first = [path for path in made if path.parent != place]
    return [place / "begun.json", *first, place / "manifest.json", place / "globals.sql"]


@pytest.mark.parametrize("stage", ["data", "manifest", "globals", "record"])
@pytest.mark.parametrize("kind", ["dump", "sql"])
def test_a_repository_that_becomes_full_leaves_nothing(
    cluster: Cluster, backups: dict[str, Backup], kind: str, stage: str
) -> None:
    files = _files(cluster.folder, backups[kind])
    room = {
        "data": room_of(*files) // 2,
        "manifest": room_of(*files[:-2]),
        "globals": room_of(*files[:-1]),
        "record": room_of(*files),
    }
    with small_disk(room[stage]) as disk:
        folder = open_folder(disk / "repository")
        with pytest.raises(RepositoryFull, match=str(disk)) as full:
            _create(cluster, folder, kind)
        assert "No space left" in str(full.value)
        assert list(folder.objects("")) == []


@pytest.mark.parametrize("megabytes", [1, 6, 12])
def test_a_base_backup_that_becomes_too_large_leaves_nothing(
    cluster: Cluster, megabytes: int
) -> None:
    with small_disk(megabytes * _MIB) as disk:
        folder = open_folder(disk / "repository")
        with pytest.raises(RepositoryFull, match=str(disk)):
            _create(cluster, folder, "base")
        assert list(folder.objects("")) == []


@pytest.fixture
def narrow(cluster: Cluster) -> Iterator[Database]:
    """The server where tables go to a disk of four megabytes."""
    with small_disk(4 * _MIB) as disk:
        place = disk / "space"
        place.mkdir(mode=0o700)
        choose_account(cluster.server.status().data).own(place)
        with connect(cluster.database) as connection:
            connection.execute(f"CREATE TABLESPACE narrow LOCATION '{place}'".encode())
            yield Database(f"{cluster.database.dsn} options='-c default_tablespace=narrow'")
            connection.execute("DROP TABLESPACE narrow")


@pytest.mark.parametrize("swap", [False, True])
def test_a_server_that_becomes_full_loses_nothing(
    cluster: Cluster, backups: dict[str, Backup], narrow: Database, tmp_path: Path, swap: bool
) -> None:
    name = f"here_{secrets.token_hex(4)}"
    with connect(cluster.database) as connection:
        if swap:
            connection.execute(f"CREATE DATABASE {name}".encode())
        options = RestoreOptions(into=name, replace=swap, parent=tmp_path, pg_bin=PG_BIN)

        def restore(server: Database) -> None:
            with open_restore(server, backups["dump"], cluster.folder, None, options) as one:
                one.run(one.plan(_ignore), _ignore)

        before = connection.execute("SELECT oid FROM pg_database WHERE datname = %s", [name])
        there = before.fetchall()
        with pytest.raises(RestoreDiskFull, match="No space left on device") as full:
            restore(narrow)
        assert full.value.exit_code == 1
        assert f"of about {size_in_short(backups['dump'].source_bytes * 1.1)} were" in str(
            full.value
        )
        after = connection.execute("SELECT oid FROM pg_database WHERE datname = %s", [name])
        assert after.fetchall() == there
        names = connection.execute("SELECT datname FROM pg_database").fetchall()
        assert not [one for (one,) in names if is_staged(one, "restoring")]
    # With room it goes on.
    restore(cluster.database)
    drop_databases(cluster.database, [name, *kept_databases(cluster.database, name)])


@pytest.fixture
def tight(cluster: Cluster) -> Iterator[Database]:
    """A database whose table takes more than half of a disk of its own."""
    with small_disk(8 * _MIB) as disk:
        place = disk / "space"
        place.mkdir(mode=0o700)
        choose_account(cluster.server.status().data).own(place)
        database = cluster.database.renamed("tight")
        with connect(cluster.database) as connection:
            connection.execute(f"CREATE TABLESPACE tight LOCATION '{place}'".encode())
            connection.execute("CREATE DATABASE tight")
            there = Database(f"{database.dsn} options='-c default_tablespace=tight'")
            fill_with_noise(there, megabytes=5)
            yield database
            connection.execute("DROP DATABASE tight WITH (FORCE)")
            connection.execute("DROP TABLESPACE tight")


def test_a_plain_file_that_fills_the_disk_of_its_tablespace_leaves_nothing(
    cluster: Cluster, tight: Database, tmp_path: Path
) -> None:
    folder = open_folder(tmp_path / "repository")
    backup = create_backup(tight, folder, cluster.options(kind="sql"), _ignore)
    options = RestoreOptions(into="tight_again", parent=tmp_path / "scratch", pg_bin=PG_BIN)

    def restore() -> None:
        with open_restore(cluster.database, backup, folder, None, options) as one:
            one.run(one.plan(_ignore), _ignore)

    with pytest.raises(RestoreDiskFull, match="No space left on device"):
        restore()
    with connect(cluster.database) as connection:
        names = [name for (name,) in connection.execute("SELECT datname FROM pg_database")]
    assert [name for name in names if name.startswith("tight")] == ["tight"]
    # With room it goes on.
    with connect(tight) as connection:
        connection.execute("TRUNCATE noise1")
    restore()
    drop_databases(cluster.database, ["tight_again"])


@pytest.mark.parametrize("kind", _KINDS)
def test_a_drill_without_room_does_not_know(
    cluster: Cluster, backups: dict[str, Backup], kind: str
) -> None:
    # As if less had been estimated than it takes.
    backup = backups[kind]
    details = {**backup.details, "cluster_bytes": 0}
    complete(cluster.folder, replace(backup, source_bytes=0, details=details))
    try:
        with small_disk(65 * _MIB) as disk:
            options = DrillOptions(parent=disk / "scratch", pg_bin=PG_BIN)
            drill = run_drill(cluster.folder, backup.name, options, _ignore)
            assert list((disk / "scratch").iterdir()) == []
    finally:
        complete(cluster.folder, backup)
    assert drill.outcome == "unknown"
    assert "No space left on device" in drill.checks[-1].reason
    assert str(disk) in drill.checks[-1].reason


@pytest.fixture
def recovering(cluster: Cluster, backups: dict[str, Backup]) -> Callable[..., HomeWork]:
    """Call it with a disk for the recovery to a new home on it."""

    def work(disk: Path) -> HomeWork:
        return HomeWork(
            backup=backups["base"],
            repository=cluster.folder,
            target=Target(by="backup"),
            home=disk / "home",
            beside=cluster.home,
            binaries=find_binaries(PG_BIN),
            opener=cluster.opener(backups["base"]),
            tablespaces={},
        )

    return work


@pytest.mark.parametrize(
    ("left", "error"), [(_MIB, FileNotWritten), (20 * _MIB, FileNotWritten), (0, RecoveryDiskFull)]
)
def test_a_recovery_that_fills_its_disk_leaves_nothing(
    recovering: Callable[..., HomeWork], left: int, error: type[AgentpgError]
) -> None:
    """While it unpacks, at its beginning and later, and while the server recovers."""
    with small_disk(160 * _MIB) as disk:

        def report(done: int, total: int) -> None:
            if not (disk / "ballast").exists() and (left or done == total):
                fill_up(disk, left or _MIB // 2)

        with pytest.raises(error, match="No space left on device") as full:
            recover_home(recovering(disk), report)
        assert str(disk / "home") in str(full.value)
        assert [path.name for path in disk.iterdir()] == ["ballast"]


def test_a_recovery_without_room_is_refused_before(recovering: Callable[..., HomeWork]) -> None:
    with small_disk(8 * _MIB) as disk:
        with pytest.raises(RecoveryTooSmall, match=r"has [78][.\d]* MB left") as refused:
            recover_home(recovering(disk))
        assert refused.value.exit_code == 4
        assert list(disk.iterdir()) == []
