"""Files are there as a whole or not at all, and new ones overwrite nothing."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agentpg.desk.files import create_files, make_folder, replace_file
from agentpg.errors import FileNotWritten

pytestmark = pytest.mark.without_server


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    replace_file(path, "one\n")
    replace_file(path, "둘\n")
    assert path.read_text(encoding="utf-8") == "둘\n"
    assert list(tmp_path.iterdir()) == [path]


def test_new_files_share_the_first_free_stem(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    (folder).mkdir(parents=True)
    (folder / "report.html").write_text("mine", encoding="utf-8")
    made = create_files(folder, "report", {".md": "m", ".html": "h"})
    assert [path.name for path in made] == ["report-2.md", "report-2.html"]
    assert (folder / "report.html").read_text(encoding="utf-8") == "mine"
    assert sorted(p.name for p in folder.iterdir()) == [
        "report-2.html",
        "report-2.md",
        "report.html",
    ]


def test_many_at_once_overwrite_nothing(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        texts = [{".md": str(n), ".html": str(n)} for n in range(24)]
        made = list(pool.map(lambda t: create_files(tmp_path, "report", t), texts))
    assert len({path for paths in made for path in paths}) == 48
    for n, paths in enumerate(made):
        assert {path.read_text(encoding="utf-8") for path in paths} == {str(n)}
    assert len(list(tmp_path.iterdir())) == 48


def test_a_file_in_the_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(FileNotWritten, match=r"cannot write .*/file/reports"):
        make_folder(tmp_path / "file" / "reports")
    with pytest.raises(FileNotWritten, match="cannot write"):
        replace_file(tmp_path / "no" / "page.md", "")


def test_what_a_link_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("old")
    (tmp_path / "link.md").symlink_to("page.md")
    replace_file(tmp_path / "link.md", "new")
    assert (tmp_path / "page.md").read_text() == "new"
    assert (tmp_path / "link.md").is_symlink()


def test_what_is_no_file_stays(tmp_path: Path) -> None:
    """As root, a device would be gone for all."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileNotWritten, match="something else than a file"):
        replace_file(tmp_path / "pipe", "new")
    assert (tmp_path / "pipe").is_fifo()
