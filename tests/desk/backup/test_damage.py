"""Every kind of file of every kind of backup, damaged in every way: found and named by all."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agentpg.db import Database
from agentpg.desk.backup.creating import CreateOptions, create_backup
from agentpg.desk.backup.drilling import DrillOptions, run_drill
from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.programs import find_programs
from agentpg.desk.backup.recovery.homes import HomeWork, recover_home
from agentpg.desk.backup.recovery.targets import Target
from agentpg.desk.backup.restore.plan import RestoreOptions
from agentpg.desk.backup.restore.restoring import open_restore
from agentpg.desk.backup.storage.folder import Folder, open_folder
from agentpg.desk.backup.storage.keys import make_key_file, seal_for_opening, seal_of
from agentpg.desk.backup.storage.reading import opener_of
from agentpg.desk.backup.storage.records import find_backups, read_backup
from agentpg.desk.backup.storage.repository import RECORD, SEALED
from agentpg.desk.backup.verifying import Opener, verify_backup
from agentpg.embedded.binaries import find_binaries
from agentpg.errors import (
    BackupDamaged,
    BackupNotFound,
    CopyDamaged,
    KeyNotFitting,
    ObjectMissing,
    RecordDamaged,
    SealDamaged,
)
from agentpg.settings import Settings, load_settings
from tests.desk.backup.clusters import Cluster, make_cluster
from tests.desk.backup.conftest import fill
from tests.desk.backup.sample import NOON
from tests.servers import PG_BIN, SCHEMA, Mould, OwnServers, Reaper

pytestmark = [pytest.mark.one_server, pytest.mark.xdist_group("damage")]

# Of each kind, those of which one stands for all of its sort.
_FILES = {
    "dump": ("data/toc.dat", r"data/\d+\.dat.*", "manifest.json", "globals.sql"),
    "sql": (r"data/backup_.*\.sql", "manifest.json", "globals.sql"),
    "base": (
        "data/base/base.tar.gz",
        "data/base/pg_wal.tar.zst",
        "data/base/backup_manifest",
        r"data/wal/\w+.zst",
        "manifest.json",
        "globals.sql",
    ),
}
_CASES = [(kind, file) for kind, files in _FILES.items() for file in files]

# What a recovery takes of a base backup.
_RECOVERED = ("base.tar.gz", "pg_wal.tar.zst", "data/wal/")


def _ignore(*_: object) -> None:
    return


@dataclass(slots=True)
class Made:
    """A repository with two backups of each kind, sealed or not, and what opens them."""

    cluster: Cluster
    folder: Folder
    settings: Settings
    first: dict[str, Backup]
    second: dict[str, Backup]


@pytest.fixture(scope="module")
def cluster(
    reaper: Reaper, mould: Mould, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    place = tmp_path_factory.mktemp("damage")
    for above in (place, place.parent):
        above.chmod(0o711)
    servers = OwnServers(place, reaper, mould)

    def options(**other: Any) -> CreateOptions:
        return CreateOptions(**{"stages": place / "stages", "pg_bin": PG_BIN, **other})

    made = make_cluster(servers, place / "cluster", open_folder(place / "unused"), options)
    fill(Database(made.server.dsn(), SCHEMA), 200)
    yield made
    servers.close()


@pytest.fixture(scope="module", params=["open", "sealed"])
def made(
    cluster: Cluster, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Made:
    place = tmp_path_factory.mktemp(request.param)
    folder = open_folder(place / "repository")
    settings = load_settings()
    if request.param == "sealed":
        make_key_file(place / "key", folder, NOON)
        settings = load_settings(backup_key_file=str(place / "key"))
    seal = seal_of(settings, folder)

    def make() -> dict[str, Backup]:
        return {
            kind: create_backup(
                cluster.database, folder, cluster.options(kind=kind, seal=seal), _ignore
            )
            for kind in _FILES
        }

    return Made(cluster, folder, settings, make(), make())


@dataclass(slots=True)
class Copied:
    """One of the backups in a repository of its own, whose files may be damaged."""

    made: Made
    folder: Folder
    backup: Backup
    work: Path

    def path(self, pattern: str) -> Path:
        """The largest of its files that fit."""
        place = self.folder.root / "backups" / self.backup.name
        found = [
            place / file.path
            for file in self.backup.files
            if re.fullmatch(pattern, file.path.removesuffix(SEALED))
        ]
        return max(found, key=lambda path: path.stat().st_size)

    def check(self) -> list[str]:
        """What is verified, drilled, and restored or recovered says of it."""
        seal = seal_for_opening(self.made.settings, self.folder, self.backup)
        programs = find_programs(PG_BIN, int(self.backup.tool_version.split(".")[0]))
        opener = Opener(
            repository=self.folder, programs=programs, unseal=seal.unseal_to if seal else None
        )
        verified = verify_backup(self.backup, opener)
        assert verified.outcome == "failed"
        options = DrillOptions(
            parent=self.work / "scratch", pg_bin=PG_BIN, open_seal=lambda _: seal
        )
        drill = run_drill(self.folder, self.backup.name, options, _ignore)
        assert drill.outcome == "failed"
        # It does not come to a server.
        assert not list(self.work.glob("scratch/*"))
        return [str(verified.checks[0].differences), str(drill.checks[0].differences)]

    def restore(self) -> None:
        """Restore a dump, or recover a base backup."""
        seal = seal_for_opening(self.made.settings, self.folder, self.backup)
        if self.backup.kind != "base":
            server = Database(self.made.cluster.server.dsn("postgres", "postgres"))
            options = RestoreOptions(into="nothing", parent=self.work / "near", pg_bin=PG_BIN)
            with open_restore(server, self.backup, self.folder, seal, options) as one:
                one.plan(_ignore)
            return
        recover_home(
            HomeWork(
                backup=self.backup,
                repository=self.folder,
                target=Target(by="backup"),
                home=self.work / "home",
                beside=self.made.cluster.home,
                binaries=find_binaries(PG_BIN),
                opener=opener_of(self.folder, self.backup, seal, self.work),
                tablespaces={},
            )
        )


@pytest.fixture
def copied(made: Made, tmp_path: Path) -> Callable[[str], Copied]:
    """Call it with a kind for the first backup of it."""

    def copy(kind: str) -> Copied:
        backup = made.first[kind]
        folder = open_folder(tmp_path / "copy")
        place = Path("backups", backup.name)
        shutil.copytree(made.folder.root / place, folder.root / place)
        return Copied(made, folder, backup, tmp_path)

    return copy


@contextmanager
def _damaged(path: Path, damage: Callable[[bytes], bytes | None]) -> Iterator[None]:
    """The file as the damage leaves it, for as long as this lasts."""
    content = path.read_bytes()
    after = damage(content)
    assert after != content
    path.unlink()
    if after is not None:
        path.write_bytes(after)
    yield
    path.write_bytes(content)


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0b10000]) + content[middle + 1 :]


@pytest.mark.parametrize(("kind", "file"), _CASES)
def test_it_is_found_and_named(
    made: Made, copied: Callable[[str], Copied], kind: str, file: str
) -> None:
    one = copied(kind)
    path = one.path(file)
    name = str(path.relative_to(one.folder.root / "backups" / one.backup.name))
    other = Copied(made, made.folder, made.second[kind], one.work).path(file).read_bytes()
    for damage in (_flipped, lambda content: content[:-1], lambda _: None, lambda _: other):
        if damage(path.read_bytes()) == path.read_bytes():
            continue  # two backups have the same roles, and may have the same rows
        with _damaged(path, damage):
            for said in one.check():
                assert name in said
            if kind == "base" and not any(part in name for part in _RECOVERED):
                continue
            errors = (BackupDamaged, CopyDamaged, SealDamaged, ObjectMissing)
            with pytest.raises(errors, match=path.name.removesuffix(SEALED)):
                one.restore()
            assert not (one.work / "home").exists()


@pytest.mark.parametrize("kind", _FILES)
def test_a_damaged_record_is_named_and_a_missing_one_is_no_backup(
    made: Made, copied: Callable[[str], Copied], kind: str
) -> None:
    one = copied(kind)
    path = one.folder.root / "backups" / one.backup.name / RECORD
    other = (made.folder.root / "backups" / made.second[kind].name / RECORD).read_bytes()
    for damage in (_flipped, lambda content: content[: len(content) // 2], lambda _: other):
        with _damaged(path, damage):
            with pytest.raises(RecordDamaged, match=one.backup.name):
                read_backup(one.folder, one.backup.name)
            assert list(find_backups(one.folder).damaged) == [one.backup.name]
    with _damaged(path, lambda _: None):
        with pytest.raises(BackupNotFound, match=one.backup.name):
            read_backup(one.folder, one.backup.name)
        assert find_backups(one.folder).unfinished == (one.backup.name,)


@pytest.mark.parametrize("made", ["sealed"], indirect=True)
@pytest.mark.parametrize("kind", _FILES)
def test_a_wrong_key_opens_nothing_and_blames_nothing(
    made: Made, copied: Callable[[str], Copied], kind: str, tmp_path: Path
) -> None:
    one = copied(kind)
    make_key_file(tmp_path / "other.key", one.folder, NOON)
    one.made = Made(
        made.cluster,
        made.folder,
        load_settings(backup_key_file=str(tmp_path / "other.key")),
        made.first,
        made.second,
    )
    with pytest.raises(KeyNotFitting):
        one.restore()
    seal = seal_for_opening(one.made.settings, one.folder, one.backup)
    options = DrillOptions(parent=tmp_path / "scratch", pg_bin=PG_BIN, open_seal=lambda _: seal)
    drill = run_drill(one.folder, one.backup.name, options, _ignore)
    assert drill.outcome == "unknown"
    assert "no key at hand opens" in str(drill.checks)
    assert find_backups(one.folder).backups == (one.backup,)
