"""A repository in a folder: objects appear whole or not at all, and only to their owner."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentpg.desk.backup.storage.folder import Folder, open_folder
from agentpg.desk.backup.storage.repository import Repository
from agentpg.errors import FileNotWritten, ObjectMissing, RepositoryFull, RepositoryUnavailable
from tests.waiting import eventually

pytestmark = pytest.mark.without_server

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system")
as_user = pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")

# Stores an object without end, and is killed while it does.
_ENDLESS = """
import sys
from pathlib import Path
from agentpg.desk.backup.storage.folder import open_folder
open_folder(Path(sys.argv[1])).put("backups/a/data/big", Path("/dev/zero"))
"""


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Folder]:
    """A repository on a file system of one megabyte."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=True)
    try:
        yield open_folder(place / "repository")
    finally:
        subprocess.run(["umount", place], check=True)


def _keys(repository: Repository, prefix: str = "") -> list[str]:
    return [stored.key for stored in repository.objects(prefix)]


def test_objects_are_stored_listed_read_and_removed(folder: Folder, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"content")
    folder.put("backups/a/data/1.dat", source)
    folder.write("backups/a/backup.json", b"{}")
    folder.write("backups/ab/backup.json", b"[]")
    assert _keys(folder) == [
        "backups/a/backup.json",
        "backups/a/data/1.dat",
        "backups/ab/backup.json",
    ]
    assert _keys(folder, "backups/a/") == ["backups/a/backup.json", "backups/a/data/1.dat"]
    assert _keys(folder, "backups/a") == _keys(folder)
    assert _keys(folder, "wal/") == []
    assert next(folder.objects("backups/a/data")).size_bytes == 7
    assert folder.read("backups/a/data/1.dat") == b"content"
    with folder.open("backups/a/data/1.dat") as stream:
        assert stream.read(3) == b"con"
    folder.fetch("backups/a/data/1.dat", tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == b"content"
    folder.remove(["backups/a/data/1.dat", "backups/a/backup.json", "backups/a/missing"])
    assert _keys(folder) == ["backups/ab/backup.json"]
    assert not (folder.root / "backups" / "a").exists()


def test_empty_folders_go_with_what_was_stored_beside_them(folder: Folder) -> None:
    """A program that failed may have made folders and no file, as pg_basebackup does."""
    folder.write("backups/a/begun.json", b"{}")
    folder.write("backups/b/begun.json", b"{}")
    (folder.root / "backups/a/data/base").mkdir(parents=True)
    folder.remove(["backups/a/begun.json"])
    assert [one.name for one in (folder.root / "backups").iterdir()] == ["b"]


def test_what_is_there_is_replaced_by_write_and_not_by_create(folder: Folder) -> None:
    assert folder.create("backups/a/begun.json", b"first")
    assert not folder.create("backups/a/begun.json", b"second")
    assert folder.read("backups/a/begun.json") == b"first"
    folder.write("backups/a/begun.json", b"third")
    assert folder.read("backups/a/begun.json") == b"third"
    assert list((folder.root / ".passing").iterdir()) == []


def test_what_is_missing_or_in_the_way_is_said(folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(ObjectMissing, match=r"has no backups/a/backup\.json"):
        folder.read("backups/a/backup.json")
    with pytest.raises(ObjectMissing), folder.open("backups/a/backup.json"):
        raise AssertionError
    folder.write("x", b"x")
    with pytest.raises(FileNotWritten, match="exists"):
        folder.fetch("x", folder.root / "x")
    with pytest.raises(RepositoryUnavailable, match="is not a key"):
        folder.write("../outside", b"x")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RepositoryUnavailable, match="Not a directory"):
        open_folder(tmp_path / "file" / "below").write("x", b"x")


@as_user
def test_a_folder_that_may_not_be_read_is_no_empty_one(folder: Folder) -> None:
    folder.write("backups/a/backup.json", b"{}")
    (folder.root / "backups").chmod(0)
    try:
        with pytest.raises(RepositoryUnavailable, match="Permission denied"):
            _keys(folder)
    finally:
        (folder.root / "backups").chmod(0o700)


def test_only_the_owner_may_read_what_is_stored(folder: Folder) -> None:
    old = os.umask(0)
    try:
        folder.write("backups/a/backup.json", b"{}")
    finally:
        os.umask(old)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in folder.root.rglob("*")}
    assert modes == {".passing": 0o700, "backups": 0o700, "a": 0o700, "backup.json": 0o600}
    assert stat.S_IMODE(folder.root.stat().st_mode) == 0o711


def test_what_a_killed_process_left_is_no_object_and_goes(folder: Folder) -> None:
    process = subprocess.Popen([sys.executable, "-c", _ENDLESS, str(folder.root)])
    passing = folder.root / ".passing"
    try:
        left = eventually(lambda: [p for p in passing.glob("*") if p.stat().st_size > 1_000_000])
        # Another that stores meanwhile leaves it alone.
        folder.write("backups/b/backup.json", b"{}")
        assert left[0].exists()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert _keys(folder) == ["backups/b/backup.json"]
    assert left[0].exists()
    folder.write("backups/c/backup.json", b"{}")
    assert list(passing.iterdir()) == []


def test_of_many_that_create_one_object_one_does(folder: Folder) -> None:
    created: list[bool] = []

    def create(number: int) -> None:
        created.append(folder.create("backups/a/begun.json", str(number).encode()))

    threads = [threading.Thread(target=create, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(created) == [False] * 19 + [True]


@as_root
def test_a_full_disk_is_said_and_leaves_nothing(small: Folder, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(2 * 1024**2))
    with pytest.raises(RepositoryFull, match="No space left"):
        small.put("backups/a/data/big", source)
    assert _keys(small) == []
    assert list((small.root / ".passing").iterdir()) == []
    free = small.free_bytes()
    assert free is not None
    assert 0 < free <= 1024**2


def test_the_room_is_known_before_the_folder_is_made(folder: Folder) -> None:
    assert not folder.root.exists()
    assert folder.free_bytes()
    assert not folder.root.exists()
