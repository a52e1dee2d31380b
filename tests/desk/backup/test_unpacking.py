"""Unpacking a base backup: what is in the way stays as it is."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.recovery.targets import Copy
from agentpg.desk.backup.recovery.unpacking import Place, unpack_backup
from agentpg.embedded.account import choose_account
from agentpg.errors import FolderInTheWay, TablespaceUnknown, TablespaceUnmapped
from tests.desk.backup.sample import NOON, a_backup

pytestmark = pytest.mark.without_server


def _with_tablespaces(**tablespaces: str) -> Backup:
    copy = Copy(
        timeline=1,
        start_lsn="0/2000028",
        stop_lsn="0/2000100",
        stopped_at=NOON + timedelta(minutes=4),
        mark="agentpg 20260301T120000Z-base",
        segment_bytes=16 * 1024**2,
        held_seconds=0.01,
        held_up_seconds=0.01,
        attempts=1,
        superuser="postgres",
        tablespaces=tablespaces,
    )
    return a_backup("20260301T120000Z-base", kind="base", files=(), details=copy.document())


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """The folder of a tablespace that a cluster uses."""
    folder = tmp_path / "space"
    folder.mkdir()
    (folder / "PG_15_202209061").write_text("rows")
    return folder


def _unpack(backup: Backup, tmp_path: Path, **tablespaces: Path) -> None:
    account = choose_account(tmp_path)
    mapped = {f"/{old}": new for old, new in tablespaces.items()}
    place = Place(folder=tmp_path / "data", account=account, tablespaces=mapped)

    def opener(path: str) -> None:
        raise AssertionError(path)

    unpack_backup(backup, place, opener)  # type: ignore[arg-type]


def test_a_tablespace_is_never_unpacked_over_a_folder_that_is_there(
    live: Path, tmp_path: Path
) -> None:
    backup = _with_tablespaces(**{"16390": "/old", "16391": "/other"})
    with pytest.raises(FolderInTheWay, match=str(live)):
        _unpack(backup, tmp_path, old=tmp_path / "new", other=live)
    assert [path.read_text() for path in live.iterdir()] == ["rows"]
    assert [path.name for path in tmp_path.iterdir()] == ["space"]


def test_a_folder_for_a_tablespace_that_is_not_in_the_backup_is_not_touched(
    live: Path, tmp_path: Path
) -> None:
    with pytest.raises(TablespaceUnknown, match="/old"):
        _unpack(_with_tablespaces(), tmp_path, old=live)
    with pytest.raises(TablespaceUnmapped, match="/old"):
        _unpack(_with_tablespaces(**{"16390": "/old"}), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["space"]
