"""Large files beside the database's own are found by their size, and told by their names."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from agentpg.desk.doctor.disk.others import large_files
from tests.desk.doctor.disk.standin import OWNER

pytestmark = pytest.mark.without_server

_MIB = 1024**2


def _make(path: Path, megabytes: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, megabytes * _MIB)


def test_what_was_left_comes_first(tmp_path: Path) -> None:
    ours = tmp_path / "data"
    left = ("backup_20240101.sql", "a/old.dump.gz", "a/b/app.log.1", "core.1234", "x-backup.tar.gz")
    for name in left:
        _make(tmp_path / name, 16)
    _make(tmp_path / "film.mkv", 20)
    _make(tmp_path / "small.sql", 1)
    _make(ours / "base" / "1", 16)
    (tmp_path / "link.sql").symlink_to(tmp_path / "film.mkv")
    found = large_files(tmp_path, tmp_path.stat().st_dev, [ours])
    assert found.whole
    assert {file.path for file in found.files if file.left} == {str(tmp_path / n) for n in left}
    last = found.files[-1]
    assert (last.path, last.left, last.size_bytes) == (str(tmp_path / "film.mkv"), False, 20 * _MIB)


def test_a_place_that_is_closed_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        large_files(tmp_path / "missing", 0, [])


def test_a_folder_that_is_closed_is_told() -> None:
    was = os.geteuid()
    with TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        (place / "closed").mkdir(mode=0o700)
        (place / "closed").chmod(0o700 if was == 0 else 0)
        try:
            # Root may read every folder.
            os.seteuid(OWNER)
            assert not large_files(place, place.stat().st_dev, []).whole
        finally:
            os.seteuid(was)
            (place / "closed").chmod(0o700)
