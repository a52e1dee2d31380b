"""The report's files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agentpg.db import Database
from agentpg.desk.report import write_report
from agentpg.errors import FileNotWritten


def test_both_files_are_written_under_one_name(busy: Database, tmp_path: Path) -> None:
    written = write_report(busy, tmp_path / "reports", language="ko")
    assert written.html_path.with_suffix(".md") == written.markdown_path
    assert re.fullmatch(r"report-\d{8}-\d{6}", written.html_path.stem)
    assert written.markdown_path.read_text(encoding="utf-8") == written.markdown
    assert '<html lang="ko">' in written.html_path.read_text(encoding="utf-8")


def test_a_second_report_overwrites_nothing(database: Database, tmp_path: Path) -> None:
    paths = [write_report(database, tmp_path).html_path for _ in range(3)]
    assert len(set(paths)) == 3
    assert len(list(tmp_path.iterdir())) == 6


def test_a_folder_that_cannot_be_is_said(database: Database, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(FileNotWritten):
        write_report(database, tmp_path / "file")
