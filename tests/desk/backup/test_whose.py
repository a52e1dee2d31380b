"""Whose archive command it is."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from agentpg.desk.backup.recovery.whose import Archive, other_owner
from agentpg.desk.backup.storage.bucket import Bucket
from agentpg.desk.backup.storage.bucket_access import Access
from agentpg.desk.backup.storage.folder import Folder
from agentpg.settings import load_settings

pytestmark = pytest.mark.without_server

_SYSTEM = "7301"


@pytest.fixture
def archive(folder: Folder, tmp_path: Path) -> Archive:
    """That of a server that works in a folder of its own."""
    (folder.root / "wal" / _SYSTEM).mkdir(parents=True)
    (tmp_path / "data").mkdir()
    return Archive(folder, _SYSTEM, data=tmp_path / "data")


@pytest.mark.parametrize(
    "command",
    [
        'sh {place}/wal/7301/archive_wal.sh zst "%p" "%f"',
        "sh ../above/repository/wal/7301/archive_wal.sh gz %p %f",
        "pgbackrest --config={place}/pgbackrest/7301/pgbackrest.conf --stanza=x archive-push %p",
    ],
)
def test_its_own_is_known_again(archive: Archive, command: str) -> None:
    assert other_owner(command.format(place=archive.repository.place), archive) is None


@pytest.mark.parametrize(
    ("command", "owner"),
    [
        ("sh /others/wal/7301/archive_wal.sh gz %p %f", "agentpg, /others/wal/7301"),
        ("sh /home/archiving/7301/push_wal.sh python %p %f", "agentpg, /home/archiving/7301"),
        ("pgbackrest --config=/etc/pgbackrest.conf --stanza=x archive-push %p", "pgBackRest"),
        ("/usr/bin/wal-g wal-push %p", "WAL-G"),
        ("envdir /etc/wal-e wal-e wal-push %p", "WAL-E"),
        ("cp %p '/unfinished", "cp %p '/unfinished"),
        ("PGPASSWORD=s3cret mine %p", "PGPASSWORD=*** mine %p"),
    ],
)
def test_that_of_another_is_named_without_its_secrets(
    archive: Archive, command: str, owner: str
) -> None:
    assert other_owner(command, archive) == owner


@pytest.mark.parametrize(("prefix", "owner"), [("a", None), ("b", "agentpg, s3://wal/b/wal/7301")])
def test_orders_tell_whose_bucket_it_is(
    archive: Archive, tmp_path: Path, prefix: str, owner: str | None
) -> None:
    access = Access(bucket="wal", prefix=f"{prefix}/wal/{_SYSTEM}", secret_key="s3cret")
    orders = {"folder": "", "bucket": asdict(access), "recipients": [], "variables": {}}
    (tmp_path / "orders.json").write_text(json.dumps(orders))
    ours = Archive(Bucket(Access(bucket="wal", prefix="a")), _SYSTEM)
    assert other_owner(f"sh {tmp_path}/push_wal.sh python %p %f", ours) == owner
    # Whose repository is a folder has no settings of a bucket.
    near = replace(archive, settings=load_settings(backup_repository=archive.repository.place))
    assert other_owner(f"sh {tmp_path}/push_wal.sh python %p %f", near) is not None
