"""Log lines carry what they are about, as text and as JSON."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from datetime import datetime

import pytest

from agentpg.cli.logs import formatter, start_logging
from agentpg.settings import load_settings

pytestmark = pytest.mark.without_server


@pytest.fixture
def restored() -> Iterator[None]:
    """Logging as it was before."""
    root, own = logging.getLogger(), logging.getLogger("agentpg")
    before = (root.handlers[:], root.level, own.level)
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level = before[0], before[1]
    own.setLevel(before[2])


def _record(**extra: object) -> logging.LogRecord:
    record = logging.LogRecord("agentpg.x", logging.INFO, "x.py", 1, "took %s", ("2 s",), None)
    vars(record).update(extra)
    return record


def test_text_has_moment_level_message_and_fields() -> None:
    line = formatter("text").format(_record(task="0198", attempt=2))
    moment, level, rest = line.split(maxsplit=2)
    assert datetime.fromisoformat(moment).tzinfo is not None
    assert (level, rest) == ("INFO", "took 2 s task=0198 attempt=2")


def test_text_stays_on_one_line() -> None:
    record = _record()
    record.msg, record.args = "one\ntwo", ()
    assert len(formatter("text").format(record).splitlines()) == 1


def test_text_cannot_steer_the_terminal() -> None:
    record = _record(agent="\x1b[2JA")
    record.msg, record.args = "said %s", ("\x9b31m",)
    record.exc_info = (ValueError, ValueError("\x1b]0;title\x07"), None)
    line = formatter("text").format(record)
    assert "said \\x9b31m agent=\\x1b[2JA\nValueError: \\x1b]0;title\\x07" in line


def test_json_has_one_object_in_a_line() -> None:
    line = formatter("json").format(_record(worker="w-1", agent="A", task="0198", attempt=2))
    told = json.loads(line)
    moment = told.pop("time")
    assert datetime.fromisoformat(moment).tzinfo is not None
    assert told == {
        "level": "INFO",
        "logger": "agentpg.x",
        "message": "took 2 s",
        "worker": "w-1",
        "agent": "A",
        "task": "0198",
        "attempt": 2,
    }
    assert "\n" not in line


def test_json_has_the_traceback_inside() -> None:
    record = _record()
    try:
        int("작업")
    except ValueError:
        record.exc_info = sys.exc_info()
    line = formatter("json").format(record)
    assert "\n" not in line
    assert "작업" in json.loads(line)["exc_info"]


@pytest.mark.parametrize(("level", "shown"), [("info", True), ("warning", False)])
def test_the_settings_choose_level_and_format(
    restored: None, monkeypatch: pytest.MonkeyPatch, level: str, shown: bool
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    start_logging(load_settings(log_level=level, log_format="json"))
    logging.getLogger("agentpg.worker").info("claimed", extra={"task": "0198"})
    logging.getLogger("httpx").info("noise")
    lines = stream.getvalue().splitlines()
    assert [json.loads(line)["message"] for line in lines] == (["claimed"] if shown else [])
