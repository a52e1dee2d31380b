"""A server's WAL in a bucket, or sealed: archived by its account, recovered, and damaged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agentpg.db import Database, connect
from agentpg.desk.backup.creating import CreateOptions
from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.pruning import Retention, apply_plan, plan_pruning
from agentpg.desk.backup.recovery.archiving import (
    look_at_archiving,
    read_archiver,
    turn_on,
)
from agentpg.desk.backup.recovery.server_side import server_of
from agentpg.desk.backup.recovery.targets import Target
from agentpg.desk.backup.recovery.wal import prefix_of
from agentpg.desk.backup.storage.keys import make_key_file, seal_for_opening_wal
from agentpg.desk.backup.storage.opening import open_repository
from agentpg.desk.backup.storage.repository import Repository
from agentpg.desk.backup.storage.sealing import Seal
from agentpg.errors import (
    ArchiveCommandFails,
    KeyNotFitting,
    WalDamaged,
    WalKeyMissing,
    WalMissing,
)
from agentpg.settings import Settings, load_settings
from tests.desk.backup.clusters import Cluster, make_cluster
from tests.desk.backup.pushed import Pythons
from tests.desk.backup.test_archiving import fill_more
from tests.desk.backup.test_sealing import new_seal
from tests.servers import OwnServers
from tests.storage import SECRET_KEY, Storage

pytestmark = pytest.mark.one_server

_PASSPHRASE = "correct horse battery staple"
_MOMENT = datetime(2026, 3, 3, tzinfo=UTC)
_LATEST = Target(by="latest")
_LAST_ALONE = Retention(last=1, daily=0, weekly=0, monthly=0, zone=UTC)


@dataclass(slots=True)
class Archived:
    """A cluster whose archive is written by the program, with a backup and some WAL after it."""

    cluster: Cluster
    settings: Settings
    opening: Settings
    system: str
    python: Path

    @property
    def repository(self) -> Repository:
        """Where all lies."""
        return self.cluster.folder

    def open_wal(self) -> Seal:
        """With the keys of who may read."""
        return seal_for_opening_wal(self.opening, self.repository, self.system)

    def segments(self) -> list[str]:
        """The keys of what is archived."""
        prefix = prefix_of(self.system)
        keys = [stored.key for stored in self.repository.objects(f"{prefix}0")]
        return [key for key in keys if len(key.removeprefix(prefix).partition("-")[0]) == 24]


Make = Callable[[str], Archived]


@pytest.fixture
def make(
    own_server: OwnServers,
    tmp_path: Path,
    storage: Storage,
    options: Callable[..., CreateOptions],
    pythons: Pythons,
) -> Make:
    """Call it with the place: folder, bucket or sealed bucket."""

    def made(place: str) -> Archived:
        home = tmp_path / "cluster"
        said: dict[str, object] = {"home": home, "backup_repository": str(tmp_path / "backups")}
        if "bucket" in place:
            said |= storage.options(storage.new_bucket())
        repository = open_repository(load_settings(**said))
        opening = dict(said)
        if place == "folder":
            # Who archives has the public key alone.
            key = tmp_path / "key"
            said["backup_recipients"] = make_key_file(key, repository, _MOMENT)
            opening["backup_key_file"] = str(key)
        if place == "sealed bucket":
            said["backup_passphrase"] = opening["backup_passphrase"] = _PASSPHRASE
        cluster = make_cluster(own_server, home, repository, options, archive_mode="on")
        with connect(cluster.database) as connection:
            found = server_of(connection)
            assert found is not None
            python = pythons(found.account)
            settings = load_settings(**said)
            turn_on(connection, repository, settings=settings, python=python)
            system = read_archiver(connection).system
        return Archived(cluster, settings, load_settings(**opening), system, python)

    return made


def _backed_up(archived: Archived, segments: int = 2) -> Backup:
    """A base backup, and so many segments with a row each."""
    backup = archived.cluster.back_up()
    for _ in range(segments):
        fill_more(archived.cluster)
        archived.cluster.end_segment()
    return backup


def _rows(database: Database) -> int:
    with connect(database) as connection:
        [(number,)] = connection.execute("SELECT count(*) FROM more").fetchall()
    return int(number)


@pytest.mark.parametrize("place", ["folder", "sealed bucket"])
def test_what_is_archived_is_recovered_and_its_secrets_are_the_accounts_alone(
    make: Make, place: str, tmp_path: Path
) -> None:
    archived = make(place)
    cluster, first = archived.cluster, _backed_up(archived)
    backup = _backed_up(archived)
    plan = plan_pruning(archived.repository, _LAST_ALONE, None)
    assert (plan.going, plan.kept) == ([first], [backup])
    assert plan.wal_going
    apply_plan(archived.repository, plan, lambda _: None)
    with cluster.recovered(backup, _LATEST, open_wal=archived.open_wal) as database:
        assert _rows(database) == 4
    with connect(cluster.database) as connection:
        status = look_at_archiving(connection, archived.repository)
        account = server_of(connection)
    assert status.is_well
    assert status.sealed == status.segments
    assert account is not None
    [orders] = tmp_path.glob("cluster/archiving/*/orders.json")
    assert orders.stat().st_mode & 0o777 == 0o600
    assert orders.stat().st_uid == account.account.uid
    told = orders.read_text()
    assert "AGE-SECRET-KEY" not in told
    assert _PASSPHRASE not in told
    # Every role may read the command.
    assert SECRET_KEY not in status.archiver.command
    assert (SECRET_KEY in told) == ("bucket" in place)
    # A base backup holds all that lies in the data folder.
    assert not list(cluster.server.status().data.rglob("orders.json"))


def test_damage_in_a_sealed_archive_is_named_before_anything_starts(make: Make) -> None:
    archived = make("folder")
    cluster, backup = archived.cluster, _backed_up(archived)
    segment = archived.segments()[-2]
    name = segment.rpartition("/")[2].partition("-")[0]

    def refused(kind: type[Exception], match: str, seal: Callable[[], Seal]) -> None:
        with pytest.raises(kind, match=match):
            cluster.recover(backup, _LATEST, open_wal=seal)

    whole = archived.repository.read(segment)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for damaged in (bytes(flipped), whole[: len(whole) // 2], b""):
        archived.repository.write(segment, damaged)
        refused(WalDamaged, name, archived.open_wal)
    archived.repository.write(segment, whole)
    refused(KeyNotFitting, "wal/", new_seal)
    no_key = seal_for_opening_wal
    refused(WalKeyMissing, "sealed", lambda: no_key(archived.settings, archived.repository, "1"))
    archived.repository.remove([segment])
    refused(WalMissing, name, archived.open_wal)
    with connect(cluster.database) as connection:
        gaps = look_at_archiving(connection, archived.repository).gaps
    assert [(gap.first, gap.segments) for gap in gaps] == [(name, 1)]


def test_damage_in_a_bucket_ends_the_recovery(make: Make) -> None:
    archived = make("bucket")
    backup = _backed_up(archived)
    with archived.cluster.recovered(backup, _LATEST) as database:
        assert _rows(database) == 2
    segment = archived.segments()[-2]
    whole = archived.repository.read(segment)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for damaged in (bytes(flipped), whole[: len(whole) // 2]):
        archived.repository.write(segment, damaged)
        with pytest.raises(WalDamaged, match=segment.rpartition("/")[2].partition("-")[0]):
            archived.cluster.recover(backup, _LATEST)


def test_an_account_that_can_not_archive_is_told_before_anything_is_set(
    make: Make, tmp_path: Path
) -> None:
    archived = make("folder")
    with connect(archived.cluster.database) as connection:
        before = read_archiver(connection).command
        with pytest.raises(ArchiveCommandFails, match="no-python"):
            turn_on(
                connection,
                archived.repository,
                settings=archived.settings,
                python=tmp_path / "no-python",
            )
        assert read_archiver(connection).command == before
