"""Damage of every sort is found and named, in every kind of file."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from agentpg.db import Database
from agentpg.desk.backup.creating import CreateOptions, create_backup
from agentpg.desk.backup.making.plain import ends_whole
from agentpg.desk.backup.model import Backup, StoredFile
from agentpg.desk.backup.programs import find_programs
from agentpg.desk.backup.storage.bucket import Bucket
from agentpg.desk.backup.storage.folder import Folder, open_folder
from agentpg.desk.backup.storage.keys import make_key_file, seal_for_opening, seal_of
from agentpg.desk.backup.storage.records import key_of
from agentpg.desk.backup.storage.repository import Repository
from agentpg.desk.backup.storage.stage import sha256_of
from agentpg.desk.backup.verifying import Opener, Verification, verify_backup
from agentpg.settings import load_settings
from tests.desk.backup.conftest import fill
from tests.desk.backup.sample import NOON
from tests.servers import PG_BIN, SharedServer

pytestmark = pytest.mark.xdist_group("verifying")


@dataclass(frozen=True, slots=True)
class Stored:
    """Two backups of one database in one folder."""

    folder: Folder
    dump: Backup
    plain: Backup
    other: Backup


@pytest.fixture(scope="module")
def made(shared_server: SharedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    place = tmp_path_factory.mktemp("verifying")
    folder = open_folder(place / "repository")

    def make(kind: str) -> Backup:
        options = CreateOptions(kind=kind, stages=place / "stages", pg_bin=PG_BIN)  # type: ignore[arg-type]
        return create_backup(database, folder, options, lambda _: None)

    with shared_server.database() as database:
        fill(database)
        yield Stored(folder, make("dump"), make("sql"), make("dump"))


@pytest.fixture
def stored(made: Stored, tmp_path: Path) -> Stored:
    """The same, to be damaged."""
    shutil.copytree(made.folder.root, tmp_path / "copy")
    return replace(made, folder=open_folder(tmp_path / "copy"))


def _verify(repository: Repository, backup: Backup, **other: object) -> Verification:
    programs = find_programs(PG_BIN, int(backup.tool_version.split(".")[0]))
    return verify_backup(
        backup,
        Opener(**{"repository": repository, "programs": programs, **other}),  # type: ignore[arg-type]
    )


def _outcomes(found: Verification) -> dict[str, str]:
    return {check.name: check.outcome for check in found.checks}


def _path(folder: Folder, backup: Backup, file: StoredFile | str) -> Path:
    name = file if isinstance(file, str) else file.path
    return folder.root / "backups" / backup.name / name


def _record(folder: Folder, backup: Backup, name: str) -> Backup:
    """The record as if the file had been stored as it is now."""
    path = _path(folder, backup, name)
    now = StoredFile(path=name, size_bytes=path.stat().st_size, sha256=sha256_of(path))
    return replace(backup, files=tuple(now if f.path == name else f for f in backup.files))


def test_whole_ones_pass(made: Stored) -> None:
    for backup in (made.dump, made.plain):
        found = _verify(made.folder, backup)
        assert (found.outcome, set(_outcomes(found))) == (
            "passed",
            {"files", "structure", "manifest", "globals"},
        )


def test_one_flipped_bit_is_found_in_every_file(stored: Stored) -> None:
    for backup in (stored.dump, stored.plain):
        for file in backup.files:
            path = _path(stored.folder, backup, file)
            content = path.read_bytes()
            middle = len(content) // 2
            flipped = bytes([content[middle] ^ 0b100])
            path.write_bytes(content[:middle] + flipped + content[middle + 1 :])
            found = _verify(stored.folder, backup)
            path.write_bytes(content)
            [difference] = found.checks[0].differences
            assert (found.outcome, difference.subject) == ("failed", file.path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
    ],
    ids=["short", "empty", "missing"],
)
def test_what_is_cut_short_or_missing_is_named(
    stored: Stored, damage: Callable[[Path], object]
) -> None:
    for backup in (stored.dump, stored.plain):
        for file in backup.files:
            path = _path(stored.folder, backup, file)
            content = path.read_bytes()
            damage(path)
            found = _verify(stored.folder, backup)
            path.write_bytes(content)
            [difference] = found.checks[0].differences
            assert (found.outcome, difference.subject) == ("failed", file.path)


def test_what_is_too_much_is_named(stored: Stored) -> None:
    stored.folder.write(key_of(stored.dump.name, "data", "9999.dat.gz"), b"more")
    [difference] = _verify(stored.folder, stored.dump).checks[0].differences
    assert (difference.subject, difference.found) == ("data/9999.dat.gz", "4 B")


def test_a_toc_that_pg_restore_cannot_read_fails(stored: Stored) -> None:
    path = _path(stored.folder, stored.dump, "data/toc.dat")
    path.write_bytes(path.read_bytes()[:200])
    # As if it had been written so.
    found = _verify(stored.folder, _record(stored.folder, stored.dump, "data/toc.dat"))
    assert _outcomes(found)["structure"] == "failed"


def test_a_plain_file_without_its_end_fails(stored: Stored) -> None:
    [name] = [file.path for file in stored.plain.files if file.path.startswith("data/")]
    path = _path(stored.folder, stored.plain, name)
    path.write_bytes(path.read_bytes().replace(b"database dump complete", b"database dump"))
    found = _verify(stored.folder, _record(stored.folder, stored.plain, name))
    assert _outcomes(found)["structure"] == "failed"


def test_the_manifest_of_another_backup_is_noticed(stored: Stored) -> None:
    shutil.copy(
        _path(stored.folder, stored.other, "manifest.json"),
        _path(stored.folder, stored.dump, "manifest.json"),
    )
    found = _verify(stored.folder, stored.dump)
    assert [d.subject for d in found.checks[0].differences] == ["manifest.json"]
    found = _verify(stored.folder, _record(stored.folder, stored.dump, "manifest.json"))
    [check] = [check for check in found.checks if check.name == "manifest"]
    assert (check.outcome, check.reason) == ("failed", "it is that of another backup")


@pytest.mark.parametrize("content", [b"", b"[]", b'{"format": 1}', b"\xff"])
def test_a_manifest_that_cannot_be_read_fails(stored: Stored, content: bytes) -> None:
    _path(stored.folder, stored.dump, "manifest.json").write_bytes(content)
    found = _verify(stored.folder, _record(stored.folder, stored.dump, "manifest.json"))
    assert _outcomes(found)["manifest"] == "failed"


def test_without_a_manifest_or_programs_it_is_no_pass(stored: Stored) -> None:
    stored.folder.remove([key_of(stored.dump.name, "manifest.json")])
    without = tuple(f for f in stored.dump.files if f.path != "manifest.json")
    found = _verify(stored.folder, replace(stored.dump, files=without))
    assert (found.outcome, _outcomes(found)["manifest"]) == ("unknown", "unknown")
    found = _verify(stored.folder, stored.other, programs=None, no_programs="none")
    assert (found.outcome, _outcomes(found)["structure"]) == ("unknown", "unknown")


@pytest.mark.one_server
def test_a_sealed_one_in_a_bucket_is_verified_with_its_key_and_not_without(
    filled: Database, bucket: Bucket, options: Callable[..., CreateOptions], tmp_path: Path
) -> None:
    make_key_file(tmp_path / "key", bucket, NOON)
    settings = load_settings(backup_key_file=str(tmp_path / "key"))
    seal = seal_of(settings, bucket)
    for kind in ("dump", "sql"):
        backup = create_backup(filled, bucket, options(kind=kind, seal=seal), lambda _: None)
        assert all(file.path.endswith(".age") for file in backup.files)
        assert list((tmp_path / "stages").iterdir()) == []
        opening = seal_for_opening(settings, bucket, backup)
        assert opening is not None
        assert _verify(bucket, backup, unseal=opening.unseal_to).outcome == "passed"
        found = _verify(bucket, backup, no_key="no key")
        assert _outcomes(found)["structure"] == "unknown"
        assert found.outcome == "unknown"


def test_the_end_of_a_compressed_file_is_looked_for(tmp_path: Path) -> None:
    text = b"\n" * 100_000 + b"\n-- PostgreSQL database dump complete\n--\n\n"
    path = tmp_path / "backup.sql.gz"
    path.write_bytes(gzip.compress(text))
    assert ends_whole(path)
    path.write_bytes(gzip.compress(text)[:-3])
    assert not ends_whole(path)
    path.write_bytes(gzip.compress(text[:-50]))
    assert not ends_whole(path)
    path.write_bytes(text)
    assert not ends_whole(path)
