"""What a killed recovery has left is removed, and nothing that looks like it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agentpg.desk.backup.recovery.drafts import remove_left_recoveries
from agentpg.embedded.folder import Folder

pytestmark = pytest.mark.without_server


def _draft(home: Path) -> Path:
    draft = Folder(home).recovering
    (draft / "pg_tblspc").mkdir(parents=True)
    return draft


def test_what_was_left_goes_with_its_tablespaces(tmp_path: Path) -> None:
    space = tmp_path / "space"
    space.mkdir()
    (_draft(tmp_path / "left") / "pg_tblspc" / "16390").symlink_to(space)
    assert remove_left_recoveries(tmp_path) == ["left"]
    assert list(tmp_path.iterdir()) == []


def test_a_home_with_a_data_folder_is_somebody_s(tmp_path: Path) -> None:
    _draft(tmp_path / "home")
    data = Folder(tmp_path / "home").data
    data.mkdir()
    assert remove_left_recoveries(tmp_path) == []
    assert data.is_dir()


def _of_a_stranger(home: Path) -> None:
    for path in (home, *home.rglob("*")):
        os.chown(path, 65534, 65534, follow_symlinks=False)


def _of_the_server(home: Path) -> None:
    draft = Folder(home).recovering
    for path in (draft, *draft.rglob("*")):
        os.chown(path, 65534, 65534, follow_symlinks=False)


@pytest.mark.parametrize("given", [_of_a_stranger, _of_the_server])
def test_a_link_leads_nobody_into_what_is_not_its_own(
    tmp_path: Path, given: Callable[[Path], None]
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    precious = tmp_path / "precious"
    precious.mkdir()
    (_draft(tmp_path / "trap") / "pg_tblspc" / "16390").symlink_to(precious)
    given(tmp_path / "trap")
    remove_left_recoveries(tmp_path)
    assert precious.is_dir()
    assert (tmp_path / "trap").exists() == (given is _of_a_stranger)
