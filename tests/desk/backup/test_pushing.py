"""Storing WAL in a bucket, or sealed: whole or not at all, known again, never over another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agentpg.desk.backup.recovery.archived import Archived, archived_as
from agentpg.desk.backup.recovery.orders import take_orders
from agentpg.desk.backup.recovery.pushing import Archive, push, push_ahead
from agentpg.desk.backup.recovery.server_side import replace_file, write_script
from agentpg.desk.backup.recovery.wal import pack
from agentpg.desk.backup.storage.bucket import Bucket
from agentpg.desk.backup.storage.folder import Folder
from agentpg.desk.backup.storage.repository import Repository
from agentpg.errors import OrdersUnusable, RepositoryUnavailable, WalDiffers, WalNotThere
from tests.cable import Cable
from tests.desk.backup.test_sealing import new_seal, with_age
from tests.waiting import eventually

pytestmark = pytest.mark.without_server

_NAME = "000000010000000000000001"
_WRITTEN = datetime(2026, 3, 3, 14, 3, 5, 700_000, tzinfo=UTC)
_SEAL = new_seal()


@pytest.fixture(params=["sealed folder", "bucket", "sealed bucket"])
def archive(request: pytest.FixtureRequest) -> Archive:
    """Where WAL is stored; the other end of the seal is `_SEAL`."""
    fixture = "bucket" if "bucket" in request.param else "folder"
    seal = _SEAL if "sealed" in request.param else None
    return Archive(request.getfixturevalue(fixture), seal)


@pytest.fixture
def pg_wal(tmp_path: Path) -> Path:
    """A server's pg_wal with one file that waits."""
    place = tmp_path / "pg_wal"
    (place / "archive_status").mkdir(parents=True)
    _wait(place, _NAME)
    return place


def _wait(place: Path, name: str) -> Path:
    """Another file that waits to be archived."""
    path = place / name
    path.write_bytes(os.urandom(4096) + bytes(1024**2))
    moment = _WRITTEN.timestamp()
    os.utime(path, (moment, moment))
    (place / "archive_status" / f"{name}.ready").touch()
    return path


def _keys(repository: Repository) -> list[str]:
    return [stored.key for stored in repository.objects("") if not stored.key.startswith(".")]


def _content(archive: Archive, key: str, near: Path) -> bytes:
    """What is stored, by the programs `age` and `zstd`."""
    near.mkdir(exist_ok=True)
    archive.repository.fetch(key, near / key)
    opening = f"cat '{near / key}'"
    if key.endswith(".age"):
        (near / "key").write_text(f"{_SEAL.secret_keys[0]}\n")
        opening = f"age -d -i '{near / 'key'}' '{near / key}'"
    command = ["sh", "-c", f"{opening} | zstd -dc"]
    return subprocess.run(command, capture_output=True, check=True).stdout


@with_age
def test_a_file_is_stored_once_and_tells_what_it_is(
    archive: Archive, pg_wal: Path, tmp_path: Path
) -> None:
    path = pg_wal / _NAME
    push(archive, path)
    [key] = _keys(archive.repository)
    found = archived_as(key)
    assert found is not None
    assert (found.name, found.is_sealed) == (_NAME, archive.seal is not None)
    # Not later than it was: what is committed up to then is in it.
    assert found.written_at == _WRITTEN.replace(microsecond=0)
    assert found.stored_name == key
    said = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True)
    assert said.stdout.startswith(str(found.sha256))
    assert _content(archive, key, tmp_path / "near") == path.read_bytes()
    push(archive, path)
    assert _keys(archive.repository) == [key]


def test_another_file_of_the_name_is_refused_and_nothing_changes(
    archive: Archive, pg_wal: Path
) -> None:
    path = pg_wal / _NAME
    push(archive, path)
    [key] = _keys(archive.repository)
    before = archive.repository.read(key)
    _wait(pg_wal, _NAME)
    with pytest.raises(WalDiffers, match="not replaced"):
        push(archive, path)
    assert _keys(archive.repository) == [key]
    assert archive.repository.read(key) == before


class _Crowded:
    """A repository in which another cluster of the same origin stores a file in between."""

    def __init__(self, repository: Repository, key: str) -> None:
        self._repository, self._key = repository, key

    def __getattr__(self, name: str) -> Any:
        return getattr(self._repository, name)

    def create(self, key: str, content: bytes) -> bool:
        self._repository.create(self._key, b"the other's")
        return self._repository.create(key, content)


def test_who_finds_another_file_in_between_takes_his_own_back(
    archive: Archive, pg_wal: Path
) -> None:
    others = Archived(name=_NAME, form=".zst", written_at=_WRITTEN, sha256="0" * 64).stored_name
    crowded = _Crowded(archive.repository, others)
    with pytest.raises(WalDiffers, match="not replaced"):
        push(Archive(crowded, archive.seal), pg_wal / _NAME)
    assert _keys(archive.repository) == [others]


def test_what_the_shell_script_has_stored_is_known_again(
    folder: Folder, pg_wal: Path, tmp_path: Path
) -> None:
    path, archive = pg_wal / _NAME, Archive(folder, _SEAL)
    pack(path, tmp_path / "packed")
    folder.put(f"{_NAME}.zst", tmp_path / "packed")
    push(archive, path)
    assert _keys(folder) == [f"{_NAME}.zst"]
    _wait(pg_wal, _NAME)
    with pytest.raises(WalDiffers):
        push(archive, path)


def test_a_history_is_never_sealed(folder: Folder, pg_wal: Path) -> None:
    _wait(pg_wal, "00000002.history")
    push(Archive(folder, _SEAL), pg_wal / "00000002.history")
    assert [key.rpartition(".")[2] for key in _keys(folder)] == ["zst"]


def test_a_file_that_is_not_there_is_named(folder: Folder, pg_wal: Path) -> None:
    with pytest.raises(WalNotThere, match="0002"):
        push(Archive(folder, _SEAL), pg_wal / "000000010000000000000002")


def test_a_storage_that_is_away_is_a_failure_and_gets_it_later(
    far_bucket: Bucket, cable: Cable, pg_wal: Path
) -> None:
    archive = Archive(far_bucket, _SEAL)
    cable.cut_after, cable.cuts = 3000, 1000
    with pytest.raises(RepositoryUnavailable):
        push(archive, pg_wal / _NAME)
    cable.cuts = 0
    assert _keys(far_bucket) == []
    push(archive, pg_wal / _NAME)
    assert len(_keys(far_bucket)) == 1


_PUSH = """
import sys
from pathlib import Path
from agentpg.desk.backup.recovery.orders import take_orders
from agentpg.desk.backup.recovery.orders import take_orders
from agentpg.desk.backup.recovery.pushing import push
push(take_orders(Path(sys.argv[1])), Path(sys.argv[2]))
"""


def test_a_killed_process_leaves_nothing_that_looks_like_wal(
    bucket: Bucket, far_bucket: Bucket, cable: Cable, pg_wal: Path, tmp_path: Path
) -> None:
    (pg_wal / _NAME).write_bytes(os.urandom(2 * 1024**2))
    orders = tmp_path / "orders.json"
    orders.write_text(_orders_for(far_bucket))
    cable.bytes_per_second = 200_000
    process = subprocess.Popen([sys.executable, "-c", _PUSH, str(orders), str(pg_wal / _NAME)])
    eventually(lambda: cable.passed > 100_000)
    process.kill()
    assert process.wait(30) == -9
    assert _keys(bucket) == []
    cable.bytes_per_second = None
    subprocess.run([sys.executable, "-c", _PUSH, str(orders), str(pg_wal / _NAME)], check=True)
    assert len(_keys(bucket)) == 1


def _orders_for(bucket: Bucket) -> str:
    said = {"folder": "", "bucket": asdict(bucket._access), "recipients": [], "variables": {}}
    return json.dumps(said)


@pytest.fixture
def home(folder: Folder, tmp_path: Path) -> Path:
    """What the server's account is given, with orders to store in the folder."""
    home = tmp_path / "home"
    (home / "done").mkdir(parents=True)
    write_script(home / "push_wal.sh")
    _order(home, folder.root)
    return home


def _order(home: Path, place: Path) -> None:
    said: dict[str, object] = {
        "folder": str(place),
        "bucket": None,
        "recipients": [],
        "variables": {},
    }
    replace_file(home / "orders.json", json.dumps(said), 0o600)


@pytest.mark.parametrize("key", ["folder", "bucket", "recipients", "variables"])
def test_orders_that_lack_something_are_told_by_its_name(home: Path, key: str) -> None:
    orders = home / "orders.json"
    said = json.loads(orders.read_text())
    del said[key]
    orders.write_text(json.dumps(said))
    with pytest.raises(OrdersUnusable, match=f"{orders} lack {key}"):
        take_orders(orders)


def _called(home: Path, path: Path) -> subprocess.CompletedProcess[str]:
    """The archive command, where the program is not to be had."""
    command = ["sh", str(home / "push_wal.sh"), "/no/python", str(path), path.name]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_waits_behind_is_stored_with_it_and_its_turn_ends_in_the_shell(
    pg_wal: Path, home: Path
) -> None:
    (home / "done" / "000000010000000000000000").write_text("of a file that waits no more")
    second = _wait(pg_wal, "000000010000000000000002")
    _wait(pg_wal, "000000010000000000000003").unlink()  # what can't be stored is told in its turn
    archive = take_orders(home / "orders.json")
    push(archive, pg_wal / _NAME)
    assert push_ahead(archive, pg_wal / _NAME, home) == 1
    assert [path.name for path in (home / "done").iterdir()] == [second.name]
    assert _called(home, second).returncode == 0
    # Asked again, as after a crash: the program looks.
    assert _called(home, second).returncode == 1
    assert "no program /no/python" in _called(home, second).stderr


def test_a_mark_holds_for_the_file_and_the_orders_that_it_was_made_by(
    pg_wal: Path, home: Path, tmp_path: Path
) -> None:
    second = _wait(pg_wal, "000000010000000000000002")
    archive = take_orders(home / "orders.json")
    push_ahead(archive, pg_wal / _NAME, home)
    _order(home, tmp_path / "elsewhere")
    assert _called(home, second).returncode == 1
    (home / "done" / second.name).unlink()
    push_ahead(take_orders(home / "orders.json"), pg_wal / _NAME, home)
    second.write_bytes(bytes(10))
    assert _called(home, second).returncode == 1
