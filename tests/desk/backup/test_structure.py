"""Verifying base backups: their copy and their WAL are looked at, and what is wrong is named."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agentpg.desk.backup.creating import CreateOptions
from agentpg.desk.backup.model import Backup, Check, StoredFile
from agentpg.desk.backup.recovery.structure import look_at_copy
from agentpg.desk.backup.recovery.targets import Copy
from agentpg.desk.backup.recovery.wal import Segment, lsn_number, pack
from agentpg.desk.backup.storage.folder import Folder
from agentpg.desk.backup.storage.stage import sha256_of
from agentpg.desk.backup.verifying import Opener, verify_backup
from tests.desk.backup.clusters import Cluster, make_cluster
from tests.desk.backup.test_sealing import new_seal
from tests.servers import PG_BIN, OwnServers


@pytest.fixture
def cluster(
    own_server: OwnServers,
    tmp_path: Path,
    folder: Folder,
    options: Callable[..., CreateOptions],
) -> Cluster:
    return make_cluster(own_server, tmp_path / "cluster", folder, options)


def _recorded(home: Path, backup: Backup) -> Backup:
    """The record as if all had been stored as it is now."""
    files = [path for path in home.rglob("*") if path.is_file() and path.parent != home]
    kept = [file for file in backup.files if "/" not in file.path]
    now = [
        StoredFile(
            path=path.relative_to(home).as_posix(),
            size_bytes=path.stat().st_size,
            sha256=sha256_of(path),
        )
        for path in files
    ]
    return replace(backup, files=(*kept, *now))


def _last_segment(backup: Backup) -> str:
    copy = Copy.of(backup)
    return Segment(copy.timeline, (lsn_number(backup.lsn) - 1) // copy.segment_bytes).name()


def test_the_copy_and_its_wal_are_looked_at(cluster: Cluster, tmp_path: Path) -> None:
    backup = cluster.back_up()
    home = cluster.folder.folder(f"backups/{backup.name}")
    assert home is not None

    def looked(name: str) -> Check:
        found = verify_backup(
            _recorded(home, backup),
            Opener(repository=cluster.folder, near=tmp_path / "near", pg_bin=PG_BIN),
        )
        return next(check for check in found.checks if check.name == name)

    assert [looked(name).outcome for name in ("structure", "wal")] == ["passed", "passed"]
    name = _last_segment(backup)
    segment = home / "data" / "wal" / f"{name}.zst"
    whole = segment.read_bytes()
    # A segment that is another one, cut short before it was compressed, or not there.
    for content in (bytes(Copy.of(backup).segment_bytes), bytes(100)):
        (tmp_path / "other").write_bytes(content)
        segment.unlink()
        pack(tmp_path / "other", segment)
        assert [one.subject for one in looked("wal").differences] == [name]
    segment.unlink()
    assert [(one.subject, one.found) for one in looked("wal").differences] == [(name, "missing")]
    segment.write_bytes(whole[: len(whole) // 2])
    assert name in looked("wal").reason
    segment.write_bytes(whole)
    # A copy that lacks a file, and a list that was cut short.
    tar = home / "data" / "base" / "base.tar.gz"
    copy = tar.read_bytes()
    _without(tar, "pg_xact/0000")
    assert "pg_xact/0000" in looked("structure").reason
    tar.write_bytes(copy)
    listed = home / "data" / "base" / "backup_manifest"
    listed.write_bytes(listed.read_bytes()[:-100])
    assert looked("structure").outcome == "failed"


def _without(tar: Path, name: str) -> None:
    """Leave a file out of a tar file."""
    draft = tar.with_name("draft")
    with tarfile.open(tar) as read, tarfile.open(draft, "w:gz", compresslevel=1) as write:
        for member in read:
            if member.name.removeprefix("./") != name:
                write.addfile(member, read.extractfile(member) if member.isfile() else None)
    draft.replace(tar)


@pytest.mark.one_server
def test_what_is_sealed_is_looked_at_with_a_key_alone(cluster: Cluster, tmp_path: Path) -> None:
    seal = new_seal()
    backup = cluster.back_up(seal=seal)
    opener = Opener(repository=cluster.folder, near=tmp_path / "near", no_key="no key")
    found = {check.name: check.outcome for check in verify_backup(backup, opener).checks}
    assert found["structure"] == "unknown"
    opened = replace(opener, unseal=seal.unseal_to)
    found = {check.name: check.outcome for check in verify_backup(backup, opened).checks}
    assert (found["structure"], found["wal"]) == ("passed", "passed")
    assert list((tmp_path / "near").iterdir()) == []


@pytest.mark.one_server
def test_an_older_program_is_given_the_files(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = cluster.back_up()
    data = cluster.folder.folder(f"backups/{backup.name}/data")
    assert data is not None
    # As where none is installed that reads tar files.
    monkeypatch.setattr("agentpg.desk.backup.making.copies._READS_TAR", 99)
    checks = list(look_at_copy(backup, data, PG_BIN, tmp_path))
    assert [check.outcome for check in checks] == ["passed", "passed"]
    _without(data / "base" / "base.tar.gz", "pg_xact/0000")
    [structure, _] = look_at_copy(backup, data, PG_BIN, tmp_path)
    assert "pg_xact/0000" in structure.reason
    assert not (tmp_path / "unpacked").exists()
