"""A task is shown while it goes on: as lines, as lines of JSON, and with a bar."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from uuid import UUID

import pytest
from rich.console import Console

from agentpg.cli.progress import Gauge
from agentpg.cli.wrapping import cell_width
from agentpg.db import Database
from agentpg.settings import load_settings
from agentpg.tasks.client import Client
from tests.apps.telling import app as telling
from tests.cli.conftest import Call
from tests.tasks.engine import ThreadWorker

pytestmark = pytest.mark.one_server


@pytest.fixture
def client(installed: Database) -> Iterator[Client]:
    with Client(installed) as opened:
        yield opened


@pytest.fixture
def telling_worker(installed: Database) -> Iterator[ThreadWorker]:
    running = ThreadWorker(telling, installed, load_settings(), 5)
    yield running
    running.stop()


def test_progress_and_log_lines_are_shown_in_order(
    call: Call, client: Client, telling_worker: ThreadWorker
) -> None:
    task_id = ended(client)
    out = call("task", "show", str(task_id), "--follow").out
    lines = [line.split(maxsplit=1)[1] for line in out.split("\n\n")[0].splitlines()]
    assert lines[:4] == [
        "submitted",
        "attempt 1: started",
        "attempt 1: begins",
        "attempt 1: WARNING ends",
    ]
    assert lines[4] == "attempt 1: 100 % done"
    assert lines[5].startswith("attempt 1: completed")
    assert lines[6:] == ["completed"]
    assert "WARNING ends" not in out.split("\n\n", 1)[1]
    assert "ends" in out.split("\n\n", 1)[1], "the page has the log lines too"


def test_each_thing_that_happens_is_a_line_of_json(
    call: Call, client: Client, telling_worker: ThreadWorker
) -> None:
    task_id = ended(client)
    out = call("task", "show", str(task_id), "--follow", "--json").out
    events = [json.loads(line) for line in out.splitlines()]
    assert [one["event"] for one in events] == [
        "submitted",
        "started",
        "log",
        "log",
        "progress",
        "ended",
        "finished",
    ]
    assert {one["attempt"] for one in events[1:-1]} == {1}
    assert (events[2]["level"], events[2]["message"]) == ("info", "begins")
    assert (events[4]["fraction"], events[4]["text"]) == (1.0, "done")
    document = json.loads(call("task", "show", str(task_id), "--json").out)
    assert [event["message"] for event in document["events"]] == ["begins", "ends"]
    assert document["executions"][0]["progress"] == 1.0


def test_a_terminal_shows_a_bar(
    call: Call, installed: Database, client: Client, telling_worker: ThreadWorker, tmp_path: Path
) -> None:
    go_on = tmp_path / "go_on"
    task_id = client.submit("Telling", "steps", {"go_on": str(go_on)})
    ours, theirs = pty.openpty()
    following = subprocess.Popen(
        [sys.executable, "-m", "agentpg", "task", "show", str(task_id), "--follow"],
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "AGENTPG_DSN": installed.dsn, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(theirs)
    shown = b""
    while b"half of it" not in shown:
        shown += os.read(ours, 4096)
    assert "50 % half of it" in call("task", "show", str(task_id)).out
    go_on.touch()
    rest = threading.Thread(target=drained, args=(ours,))
    rest.start()
    assert following.wait(60) == 0
    rest.join()
    assert b"50%" in shown
    assert "━".encode() in shown


def ended(client: Client) -> UUID:
    """A task that has told its news and ended."""
    task_id = client.submit("Telling", "steps")
    client.wait(task_id)
    return task_id


def drained(terminal: int) -> None:
    """Read a terminal to its end."""
    try:
        while os.read(terminal, 4096):
            pass
    except OSError:
        os.close(terminal)


def test_a_long_text_leaves_the_bar_its_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    gauge = Gauge(no_color=True)
    gauge.show(attempt=3, fraction=0.25, text="쪽을 읽는 중, 아주 긴 설명 " * 10)
    shown = StringIO()
    Console(file=shown, width=80).print(gauge._progress.get_renderable())
    [line] = shown.getvalue().splitlines()
    assert cell_width(line) <= 80
    assert line.startswith("#3 ━")
    assert " 25% 쪽을 읽는 중" in line
    assert line.rstrip().endswith("…")
