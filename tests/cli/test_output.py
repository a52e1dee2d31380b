"""Tables fit, pipes get plain and whole text, and JSON is one well-formed document."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from agentpg.cli.output import Column, Output
from agentpg.cli.wrapping import cell_width, wrap
from agentpg.language import untranslated

pytestmark = pytest.mark.without_server

COLUMNS = (
    Column("Id"),
    Column("State", state=True),
    Column("Calls", right=True),
    Column("Agent", yields=2),
    Column("Error", yields=1, fold=True),
)
ROWS = [
    ("0198c1a2", "completed", 12345, "요약하는 에이전트 " * 4, None),
    ("0198c1a3", "failed", 7, "ReportAgent", "the model " * 12),
]


@pytest.fixture
def out() -> Output:
    return Output(untranslated)


def test_a_table_fits_the_columns_that_there_are(
    out: Output, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for width in (60, 80, 120):
        monkeypatch.setenv("COLUMNS", str(width))
        out.table(COLUMNS, ROWS)
        lines = capsys.readouterr().out.splitlines()
        assert max(cell_width(line) for line in lines) <= width
        assert all(line == line.rstrip() for line in lines)


def test_the_highest_number_gives_up_width_first(
    out: Output, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    columns = (Column("A", yields=1), Column("B", yields=2), Column("C"))
    out.table(columns, [("a" * 30, "b" * 50, "c" * 10)])
    row = capsys.readouterr().out.splitlines()[1]
    assert row == f"{'a' * 30}  {'b' * 35}…  {'c' * 10}"


def test_columns_of_wide_letters_stay_aligned(
    out: Output, capsys: pytest.CaptureFixture[str]
) -> None:
    out.table((Column("이름"), Column("수", right=True)), [("작업", 5), ("task", 1200)])
    assert capsys.readouterr().out == "이름     수\n작업      5\ntask  1,200\n"


def test_a_pipe_gets_every_letter_and_no_codes(
    out: Output, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    out.table(COLUMNS, ROWS)
    text = capsys.readouterr().out
    assert "the model " * 11 in text
    assert "\x1b" not in text
    assert "…" not in text


def test_unknown_values_and_moments_are_shown_as_such(
    out: Output, capsys: pytest.CaptureFixture[str]
) -> None:
    moment = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
    out.facts([("start", moment), ("end", None), ("held", False), ("took", timedelta(seconds=2))])
    assert capsys.readouterr().out.splitlines() == [
        f"start  {moment.astimezone().isoformat(sep=' ')}",
        "end    –",
        "held   no",
        "took   2 s",
    ]


def test_no_rows_give_a_sentence(out: Output, capsys: pytest.CaptureFixture[str]) -> None:
    out.table(COLUMNS, [], empty="There are no tasks.")
    assert capsys.readouterr().out == "There are no tasks.\n"


def test_stored_text_cannot_steer_the_terminal(
    out: Output, capsys: pytest.CaptureFixture[str]
) -> None:
    out.table((Column("A"), Column("B")), [("\x1b[31mred\x07", "two\nlines [bold]x[/bold]")])
    assert capsys.readouterr().out.splitlines()[1] == r"\x1b[31mred\x07  two lines [bold]x[/bold]"


@dataclass(frozen=True, slots=True)
class Record:
    id: UUID
    moment: datetime
    took: timedelta
    cost: Decimal
    folder: Path
    missing: None
    share: float
    names: tuple[str, ...]


def test_json_is_one_document_with_defined_forms(
    out: Output, capsys: pytest.CaptureFixture[str]
) -> None:
    moment = datetime(2026, 3, 1, 10, 0, 5, 250_000, tzinfo=UTC)
    record = Record(
        UUID(int=7),
        moment,
        timedelta(milliseconds=1500),
        Decimal("0.10"),
        Path("/x"),
        None,
        float("nan"),
        ("작업",),
    )
    out.json([record])
    text = capsys.readouterr().out
    assert "작업" in text
    assert json.loads(text) == [
        {
            "id": "00000000-0000-0000-0000-000000000007",
            "moment": "2026-03-01T10:00:05.250000+00:00",
            "took": 1.5,
            "cost": "0.10",
            "folder": "/x",
            "missing": None,
            "share": None,
            "names": ["작업"],
        }
    ]


def test_long_work_into_a_pipe_is_told_in_lines(
    out: Output, capsys: pytest.CaptureFixture[str]
) -> None:
    with out.progress("Migrating", total=20) as progress:
        for _ in range(20):
            progress.advance()
        progress.advance(0, "done")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[0] == "Migrating …"
    assert captured.err.splitlines()[-2:] == ["Migrating: 20/20", "Migrating: 20/20 done"]
    assert len(captured.err.splitlines()) == 12


@pytest.mark.parametrize(
    ("variables", "colourful"), [({}, True), ({"NO_COLOR": "1"}, False)], ids=["colour", "none"]
)
def test_states_have_colours_on_a_terminal_only(variables: dict[str, str], colourful: bool) -> None:
    text = _on_terminal(variables)
    assert ("\x1b[32m" in text) is colourful
    assert "completed" in text


def _on_terminal(variables: dict[str, str]) -> str:
    code = (
        "from agentpg.cli.output import Column, Output\n"
        "from agentpg.language import untranslated\n"
        "out = Output(untranslated)\n"
        "out.table((Column('State', state=True), Column('N')), [('completed', 1)])\n"
    )
    reading, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", **variables}
    subprocess.run([sys.executable, "-c", code], stdout=terminal, env=environment, check=True)
    os.close(terminal)
    text = os.read(reading, 65536).decode()
    os.close(reading)
    return text


def test_what_is_written_cannot_steer_the_terminal(
    out: Output, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "한글 \x1b[2J \x07 \x7f \x9b1m \u202e \U000e0001"
    out.line(text)
    out.note(text)
    with out.progress("t", 1) as progress:
        progress.say(text)
    out.json({text: text})
    captured = capsys.readouterr()
    shown = r"한글 \x1b[2J \x07 \x7f \x9b1m \u202e \U000e0001"
    assert captured.err.splitlines()[0] == shown
    assert captured.out.splitlines()[:2] == [shown, shown]
    document = captured.out.split("\n", 2)[2]
    assert json.loads(document) == {text: text}
    assert "한글" in document
    assert all(c.isprintable() or c == "\n" for c in document)


def test_wrapping_counts_korean_letters_twice() -> None:
    lines = wrap("작업을 제출하고 진행을 따라갑니다 " * 5, 30, first="  ", rest="  ")
    assert max(cell_width(line) for line in lines) <= 30
    assert " ".join(line.strip() for line in lines) == " ".join(
        ("작업을 제출하고 진행을 따라갑니다 " * 5).split()
    )


def test_a_word_longer_than_the_line_is_broken() -> None:
    assert "".join(wrap("x" * 50, 20)) == "x" * 50
