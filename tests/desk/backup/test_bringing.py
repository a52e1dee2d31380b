"""Files of a backup that are brought near: nobody else on the machine reads them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from agentpg.desk.backup.model import StoredFile
from agentpg.desk.backup.storage.bringing import Brought, bring
from agentpg.desk.backup.storage.bucket import Bucket
from agentpg.desk.backup.storage.records import key_of
from tests.desk.backup.sample import a_backup

pytestmark = pytest.mark.without_server


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder through which others pass."""
    folder = tmp_path / "work"
    folder.mkdir()
    folder.chmod(0o711)
    return folder


def test_a_script_that_was_compressed_is_its_owner_s(tmp_path: Path, work: Path) -> None:
    data = tmp_path / "backup" / "data"
    data.mkdir(parents=True)
    with gzip.open(data / "backup_20260301.sql.gz", "wb") as file:
        file.write(b"SELECT 1;")
    script = Brought(data.parent, work).script()
    assert script.read_text() == "SELECT 1;"
    assert script.stat().st_mode & 0o077 == 0


def test_what_comes_from_afar_is_its_owner_s(bucket: Bucket, tmp_path: Path, work: Path) -> None:
    # The one in a folder of its own comes first.
    files = [StoredFile(path=path, size_bytes=1, sha256="") for path in ("data/x", "globals.sql")]
    backup = a_backup(files=tuple(files))
    (tmp_path / "x").write_text("x")
    for file in files:
        bucket.put(key_of(backup.name, file.path), tmp_path / "x")
    brought = bring(backup, bucket, None, work)
    assert brought.globals is not None
    assert (work / "backup").stat().st_mode & 0o077 == 0
