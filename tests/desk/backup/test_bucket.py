"""A repository in a bucket, through the real client, against a real server process."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agentpg.desk.backup.storage.bucket import Bucket
from agentpg.desk.backup.storage.opening import open_repository
from agentpg.errors import FileNotWritten, ObjectMissing
from tests.storage import Storage

pytestmark = pytest.mark.without_server

_MIB = 1024**2


def _keys(bucket: Bucket, prefix: str = "") -> list[str]:
    return [stored.key for stored in bucket.objects(prefix)]


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file of several parts, the last a small one."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        for _ in range(40):
            file.write(os.urandom(_MIB))
        file.write(b"the end")
    return path


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def test_objects_are_stored_listed_read_and_removed(bucket: Bucket, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"content")
    bucket.put("backups/a/data/1.dat", source)
    bucket.write("backups/a/backup.json", b"{}")
    bucket.write("backups/ab/backup.json", b"[]")
    assert _keys(bucket) == [
        "backups/a/backup.json",
        "backups/a/data/1.dat",
        "backups/ab/backup.json",
    ]
    assert _keys(bucket, "backups/a/") == ["backups/a/backup.json", "backups/a/data/1.dat"]
    assert bucket.read("backups/a/data/1.dat") == b"content"
    found = next(bucket.objects("backups/a/data"))
    assert found.size_bytes == len(b"content")
    assert found.written_at.tzinfo is not None
    bucket.remove(["backups/a/backup.json", "backups/a/nothing"])
    assert _keys(bucket) == ["backups/a/data/1.dat", "backups/ab/backup.json"]


def test_what_is_below_the_prefix_is_ours_alone(bucket: Bucket, storage: Storage) -> None:
    name = bucket.place.removeprefix("s3://").partition("/")[0]
    storage.client().put_object(Bucket=name, Key="some/prefixes", Body=b"somebody's")
    bucket.write("backups/a/backup.json", b"{}")
    assert _keys(bucket) == ["backups/a/backup.json"]
    assert storage.client().get_object(Bucket=name, Key="some/prefix/backups/a/backup.json")


def test_many_objects_are_listed_in_pages_and_removed_in_lots(bucket: Bucket) -> None:
    keys = [f"backups/a/data/{number:04}" for number in range(1203)]
    for key in keys:
        bucket.write(key, b"")
    assert _keys(bucket, "backups/a/") == keys
    bucket.remove(keys)
    assert _keys(bucket) == []


def test_a_large_file_goes_up_in_parts_and_comes_back(
    bucket: Bucket, storage: Storage, large: Path, tmp_path: Path
) -> None:
    bucket.put("backups/a/data/large", large)
    name = bucket.place.removeprefix("s3://").partition("/")[0]
    head = storage.client().head_object(Bucket=name, Key="some/prefix/backups/a/data/large")
    assert head["ETag"].endswith('-3"')  # the number of its parts
    bucket.fetch("backups/a/data/large", tmp_path / "back")
    assert _digest(tmp_path / "back") == _digest(large)
    with bucket.open("backups/a/data/large") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
    assert digest == _digest(large)


def test_an_empty_file_is_an_object_too(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    bucket.put("backups/a/data/empty", tmp_path / "empty")
    assert bucket.read("backups/a/data/empty") == b""
    bucket.fetch("backups/a/data/empty", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b""


def test_an_object_is_created_once(bucket: Bucket) -> None:
    assert bucket.create("backups/a/begun.json", b"mine")
    assert not bucket.create("backups/a/begun.json", b"theirs")
    assert bucket.read("backups/a/begun.json") == b"mine"


def test_what_is_not_there_is_named(bucket: Bucket, tmp_path: Path) -> None:
    with pytest.raises(ObjectMissing, match="has no backups/a/data/1"):
        bucket.read("backups/a/data/1")
    with pytest.raises(ObjectMissing, match="has no backups/a/data/1"):
        bucket.fetch("backups/a/data/1", tmp_path / "back")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_not_written_over(bucket: Bucket, tmp_path: Path) -> None:
    bucket.write("drills/a/1.json", b"new")
    (tmp_path / "back").write_bytes(b"old")
    with pytest.raises(FileNotWritten):
        bucket.fetch("drills/a/1.json", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"old"


def test_nothing_of_it_is_local(bucket: Bucket) -> None:
    assert bucket.folder("backups") is None
    assert bucket.free_bytes() is None
    bucket.settle("backups/a/data/1")


def test_the_settings_choose_it(storage: Storage, bucket_name: str) -> None:
    repository = open_repository(storage.settings(bucket_name))
    assert isinstance(repository, Bucket)
    assert repository.place == f"s3://{bucket_name}/some/prefix"


_MEMORY = """
import sys
from pathlib import Path
from agentpg.desk.backup.storage.opening import open_repository
from agentpg.settings import load_settings
repository = open_repository(load_settings())
def peak():
    # Not ru_maxrss, which begins with what the process that started this one has.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024
list(repository.objects(""))
before = peak()
repository.put("backups/a/data/big", Path(sys.argv[1]))
repository.fetch("backups/a/data/big", Path(sys.argv[2]))
with repository.open("backups/a/data/big") as stream:
    while stream.read(1024**2):
        pass
print(peak() - before)
"""


def test_memory_does_not_grow_with_the_file(
    storage: Storage, bucket_name: str, tmp_path: Path
) -> None:
    path = tmp_path / "big"
    with path.open("wb") as file:
        file.truncate(160 * _MIB)
    options = {f"AGENTPG_{k.upper()}": str(v) for k, v in storage.options(bucket_name).items()}
    done = subprocess.run(
        [sys.executable, "-c", _MEMORY, path, tmp_path / "back"],
        env={**os.environ, **options},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 80, "MiB more than before"
    assert _digest(tmp_path / "back") == _digest(path)
