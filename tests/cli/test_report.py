"""`agentpg report`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agentpg.db import Database
from tests.cli.conftest import Call
from tests.desk.history import write_history

pytestmark = pytest.mark.one_server


@pytest.fixture
def busy(installed: Database) -> Database:
    write_history(installed, days=3)
    return installed


def test_both_files_are_written_to_home(call: Call, busy: Database, home: Path) -> None:
    called = call("report")
    assert (called.code, called.err) == (0, "")
    written = sorted((home / "reports").iterdir())
    assert [path.suffix for path in written] == [".html", ".md"]
    for path in written:
        assert str(path) in called.out.replace("\n", "").replace(" ", "")
    assert "unpriced calls" in called.out


def test_a_form_is_printed(call: Call, busy: Database, home: Path) -> None:
    assert call("report", "--format", "markdown").out.startswith("# Operations and cost report")
    page = call("--lang", "ko", "report", "--format", "html", "--days", "3").out
    assert '<html lang="ko">' in page
    assert not home.exists()


@pytest.mark.parametrize(
    ("arguments", "begins"),
    [
        (["--output", "r.md"], "# Oper"),
        (["--output", "r.html"], "<!DOCTYPE html>"),
        (["--output", "r.txt", "--format", "markdown"], "# Oper"),
    ],
)
def test_a_file_of_ones_own_is_written(
    call: Call, busy: Database, arguments: list[str], begins: str
) -> None:
    assert call("report", *arguments).code == 0
    assert Path(arguments[1]).read_text(encoding="utf-8").lstrip().startswith(begins)


def test_json_has_the_totals_and_writes_nothing(call: Call, busy: Database, home: Path) -> None:
    totals = json.loads(call("report", "--json").out)
    assert totals["executions"] > 100
    assert totals["unpriced_calls"] > 0
    assert not home.exists()
    assert json.loads(call("report", "--json", "--output", "r.html").out)["path"] == "r.html"


def test_a_file_that_cannot_be_written_is_said(call: Call, installed: Database) -> None:
    called = call("report", "--output", "no/such/folder.html")
    assert called.code == 1
    assert "cannot write no/such/folder.html" in called.err


def test_an_output_without_a_name_is_wrong_usage(call: Call, installed: Database) -> None:
    called = call("report", "--output", "")
    assert (called.code, called.out) == (2, "")
    assert "--output cannot be '': it is empty" in called.err


def test_days_out_of_range_are_wrong_usage(call: Call) -> None:
    assert call("report", "--days", "0").code == 2
