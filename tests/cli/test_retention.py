"""`agentpg retention` shows first, asks, removes, and brings back."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from agentpg.cli.wrapping import cell_width
from agentpg.db import Database, connect
from tests.cli.conftest import Call, Running
from tests.desk.ended import a_worker, change, everything, task_ids, write_ended
from tests.waiting import eventually

pytestmark = pytest.mark.one_server


@pytest.fixture
def old(installed: Database) -> Database:
    """Three completed tasks and a failed one that ended 40 days ago."""
    write_ended(installed, 3)
    write_ended(installed, 1, status="failed")
    return installed


@pytest.fixture
def month(monkeypatch: pytest.MonkeyPatch) -> None:
    """Completed tasks are kept for a month."""
    monkeypatch.setenv("AGENTPG_RETENTION_COMPLETED", "30d")


def test_without_a_setting_all_is_kept(call: Call, old: Database) -> None:
    shown = call("retention", "show")
    assert (shown.code, shown.out.count("kept for ever")) == (0, 3)
    assert "AGENTPG_RETENTION_COMPLETED" in shown.err
    assert json.loads(call("retention", "show", "--json").out) == []
    applied = call("retention", "apply", "--yes")
    assert (applied.code, applied.out) == (2, "")
    assert "nothing says how long history is kept" in applied.err


@pytest.mark.usefixtures("month")
def test_show_tells_what_would_go_and_changes_nothing(call: Call, old: Database) -> None:
    before = everything(old)
    shown = call("retention", "show")
    lines = shown.out.splitlines()
    assert lines[0].split() == ["completed", "kept", "for", "30d"]
    assert lines[1].split() == ["failed", "kept", "for", "ever"]
    [row] = [line.split() for line in lines if line.startswith("Old")]
    assert row[:4] == ["Old", "work", "completed", "3"]
    assert row[-2:] == ["40", "d"]
    assert "In all 3 tasks, 6 executions and 3 calls" in shown.out
    assert max(cell_width(line) for line in lines) <= 80
    assert everything(old) == before
    documents = json.loads(call("retention", "show", "--older-than", "30d", "--json").out)
    assert {d["status"]: d["tasks"] for d in documents} == {"completed": 3, "failed": 1}


@pytest.mark.usefixtures("month")
def test_nobody_but_a_person_is_asked(call: Call, old: Database) -> None:
    called = call("retention", "apply")
    assert called.code == 2
    assert "completed" in called.out
    assert "Say --yes to go ahead." in called.err
    assert len(everything(old)) == 4 + 8 + 4


@pytest.mark.usefixtures("month")
def test_yes_removes_what_was_shown(call: Call, old: Database) -> None:
    called = call("retention", "apply", "--yes")
    assert called.code == 0
    assert re.search(r"removed tasks +3\n", called.out)
    assert re.search(r"/s\)\n", called.out)
    assert len(everything(old)) == 1 + 2 + 1
    assert "There is no history to remove." in call("retention", "apply", "--yes").out
    removed = json.loads(call("retention", "apply", "--older-than", "30d", "--yes", "--json").out)
    assert (removed["tasks"], removed["complete"]) == (1, True)
    assert everything(old) == []


def test_adopted_rows_need_to_be_asked_for(call: Call, old: Database) -> None:
    change(old, "UPDATE tasks SET adopted = true")
    age = ("--older-than", "30d", "--json")
    assert json.loads(call("retention", "show", *age).out) == []
    assert len(json.loads(call("retention", "show", *age, "--adopted").out)) == 2


def test_a_period_shorter_than_a_retry_names_both(call: Call, old: Database) -> None:
    called = call("retention", "show", "--older-than", "10min")
    assert called.code == 2
    assert "for 10min only: the longest retry takes 216min" in called.err


@pytest.mark.parametrize("value", ["90", "soon", "0d", "-1d"])
def test_a_wrong_period_is_named(
    call: Call, installed: Database, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    called = call("retention", "show", "--older-than", value)
    assert called.code == 2
    named = "kept for 0s" if value == "0d" else f"--older-than cannot be '{value}'"
    assert named in called.err
    monkeypatch.setenv("AGENTPG_RETENTION_FAILED", value)
    called = call("retention", "show")
    assert called.code == 2
    assert f"AGENTPG_RETENTION_FAILED in the environment cannot be '{value}'" in called.err


def test_an_archive_is_written_checked_and_brought_back(call: Call, old: Database) -> None:
    before = everything(old)
    age = ("--older-than", "30d")
    called = call("retention", "apply", *age, "--archive", "kept", "--yes")
    assert called.code == 0
    assert re.search(r"archive +kept/agentic_ai-", called.out.replace("\n", ""))
    assert everything(old) == []
    checked = call("retention", "restore", "kept", "--check")
    assert "The archive is whole." in checked.out
    assert json.loads(call("retention", "restore", "kept", "--check", "--json").out) == {
        "parts": 1,
        "rows": {"tasks": 4, "agent_executions": 8, "llm_requests": 4},
    }
    assert everything(old) == []
    assert re.search(r"restored tasks +4\n", call("retention", "restore", "kept").out)
    assert everything(old) == before
    [again] = json.loads(call("retention", "restore", "kept", "--json").out)
    assert (again["tasks"], again["already_there"]) == (0, 4)


def test_what_is_in_the_way_is_named(call: Call, old: Database) -> None:
    call("retention", "apply", "--older-than", "30d", "--archive", "kept", "--yes")
    call("retention", "restore", "kept")
    change(old, "UPDATE tasks SET tenant = 'changed' WHERE status = 'failed'")
    called = call("retention", "restore", "kept")
    assert re.search(r"in the way +1\n", called.out)
    assert "Another task of the same id or idempotency key is there, for: " in called.err


def test_the_archive_of_the_settings_is_below_home(
    call: Call, old: Database, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTPG_RETENTION_ARCHIVE", "history")
    assert call("retention", "apply", "--older-than", "30d", "--yes").code == 0
    assert len(list((home / "history").rglob("manifest.json"))) == 1


def test_a_broken_archive_is_said(call: Call, installed: Database, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{", encoding="utf-8")
    called = call("retention", "restore", str(tmp_path))
    assert called.code == 2
    assert "cannot read the archive" in called.err
    assert call("retention", "restore", "no-such-folder").code == 2


@pytest.fixture
def much(installed: Database) -> Database:
    """History of many batches, between which the removal rests since a worker is busy."""
    write_ended(installed, 5000)
    a_worker(installed, running=1, idle=False)
    return installed


def _under_way(launch: Callable[..., Running], database: Database, *options: str) -> Running:
    """A removal that has removed something."""
    running = launch("retention", "apply", "--older-than", "30d", "--yes", *options)
    eventually(lambda: len(task_ids(database)) < 5000)
    return running


def test_ctrl_c_ends_it_after_a_batch_and_says_what_went(
    much: Database, launch: Callable[..., Running]
) -> None:
    running = _under_way(launch, much, "--archive", "kept")
    running.tell(signal.SIGINT)
    assert running.ends() == 130
    left = len(task_ids(much))
    assert 0 < left < 5000
    assert re.search(rf"removed tasks +{5000 - left:,}\n", running.text)
    assert re.search(r"archive +kept/agentic_ai-", running.text)
    assert "Ended by Ctrl-C. What is left goes with the next call." in running.text
    assert "Traceback" not in running.text


def test_a_script_reads_what_went_before_ctrl_c(
    much: Database, launch: Callable[..., Running]
) -> None:
    running = _under_way(launch, much, "--json")
    running.tell(signal.SIGINT)
    assert running.ends() == 130
    document = running.text[running.text.index("{\n") : running.text.index("\n}") + 2]
    removed = json.loads(document)
    assert (removed["tasks"], removed["complete"]) == (5000 - len(task_ids(much)), False)


def test_a_second_ctrl_c_ends_it_at_once(much: Database, launch: Callable[..., Running]) -> None:
    with connect(much) as connection, connection.transaction():
        running = _under_way(launch, much)
        connection.execute("LOCK TABLE tasks IN EXCLUSIVE MODE")
        waits = "SELECT FROM pg_locks WHERE NOT granted AND relation = 'tasks'::regclass"
        eventually(lambda: connection.execute(waits).fetchall())
        [[before]] = connection.execute("SELECT 5000 - count(*) FROM tasks").fetchall()
        running.tell(signal.SIGINT)
        running.says("Ctrl-C once more ends it at once.")
        running.tell(signal.SIGINT)
        assert running.ends() == 130
    assert f"Ended at once. Tasks removed before: {before:,}\n" in running.text
    assert len(task_ids(much)) == 5000 - before
    assert "Traceback" not in running.text


def test_an_empty_name_of_an_archive_is_wrong_usage(
    call: Call, old: Database, tmp_path: Path
) -> None:
    called = call("retention", "apply", "--older-than", "30d", "--yes", "--archive", "")
    assert called.code == 2
    assert "agentpg: --archive cannot be '': it is empty" in called.err
    assert len(everything(old)) == 4 + 8 + 4
    assert list(tmp_path.iterdir()) == []
