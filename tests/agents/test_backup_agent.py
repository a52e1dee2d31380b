"""BackupAgent through the engine: real backups, real drills, real removal."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from agentpg.agents.backup_agent import NAME, backup_app
from agentpg.cli.running import run
from agentpg.db import connect
from agentpg.desk.backup.storage.folder import Folder, open_folder
from agentpg.desk.backup.storage.records import key_of, list_backups, read_drills
from agentpg.desk.turn import UNDISTURBED, turn
from tests.desk.backup.sample import FAILED
from tests.desk.backup.watched import Watched
from tests.servers import PG_BIN
from tests.tasks.engine import Engine
from tests.waiting import eventually

pytestmark = pytest.mark.one_server

HOUR = timedelta(hours=1)
# In the order in which a night has them.
SCHEDULED = ("nightly-backup", "weekly-drill", "backup-pruning")


@pytest.fixture
def settings(engine: Engine, tmp_path: Path) -> dict[str, str]:
    """Those of a worker with BackupAgent that keeps one backup."""
    return {
        "dsn_backup": engine.as_part("backup").dsn,
        "home": str(tmp_path),
        "backup_repository": str(tmp_path / "repository"),
        "backup_keep_last": "1",
        "backup_keep_daily": "0",
        "backup_keep_weekly": "0",
        "backup_keep_monthly": "0",
        "pg_bin": PG_BIN,
    }


@pytest.fixture
def place(engine: Engine, settings: dict[str, str], tmp_path: Path) -> Folder:
    """A worker with BackupAgent, and its repository."""
    engine.work(backup_app(), concurrency=2, **settings)
    return open_folder(tmp_path / "repository")


def test_it_makes_a_backup_and_proves_it(engine: Engine, place: Folder) -> None:
    made = engine.run(NAME, "make_backup")
    assert made.status == "completed", made.error_message
    [backup] = list_backups(place)
    assert (made.result["name"], made.result["size_bytes"]) == (backup.name, backup.size_bytes)
    proved = engine.run(NAME, "drill_backup")
    assert proved.status == "completed", proved.error_message
    assert (proved.result["backup"], proved.result["outcome"]) == (backup.name, "passed")
    [drill] = read_drills(place, backup.name)
    assert proved.result["restore_seconds"] == drill.restore.total_seconds() > 0


def test_a_backup_that_is_damaged_fails_its_task_with_the_reason(
    engine: Engine, place: Folder
) -> None:
    name = engine.run(NAME, "make_backup").result["name"]
    [path] = (place.root / key_of(name, "data")).glob("toc.dat")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    task = engine.run(NAME, "drill_backup")
    assert (task.status, engine.outcomes(task.id)) == ("failed", ["failed"])
    assert f"the drill of {name} is failed" in (task.error_message or "")
    assert [drill.outcome for drill in read_drills(place, name)] == ["failed"]


def test_without_a_backup_there_is_nothing_to_drill(engine: Engine, place: Folder) -> None:
    task = engine.run(NAME, "drill_backup")
    assert (task.status, engine.outcomes(task.id)) == ("failed", ["failed"])


def test_it_removes_what_is_not_kept_once_one_is_proved(engine: Engine, place: Folder) -> None:
    watched = Watched(engine.database, place.root)
    old, older = watched.backup(48 * HOUR), watched.backup(72 * HOUR)
    last = watched.backup(HOUR)
    refused = engine.run(NAME, "prune_backups")
    assert (refused.status, engine.outcomes(refused.id)) == ("failed", ["failed"])
    assert "no drill has proved any that stays" in (refused.error_message or "")
    assert len(list_backups(place)) == 3
    watched.drill(last, HOUR, (FAILED,))
    watched.drill(old, 2 * HOUR)
    pruned = engine.run(NAME, "prune_backups")
    assert pruned.status == "completed", pruned.error_message
    assert pruned.result["removed"] == [older.name]
    assert {backup.name for backup in list_backups(place)} == {old.name, last.name}


def test_it_waits_while_another_is_at_it(engine: Engine, place: Folder) -> None:
    with (
        connect(engine.database) as connection,
        turn(connection, engine.database.schema, UNDISTURBED),
    ):
        task = engine.client.submit(NAME, "make_backup")
        eventually(lambda: "failed" in engine.outcomes(task))
        assert list_backups(place) == []
    assert engine.ended(task).status == "completed"
    assert len(list_backups(place)) == 1


def test_one_of_its_tasks_runs_at_a_time(engine: Engine, place: Folder) -> None:
    tasks = [engine.client.submit(NAME, "make_backup") for _ in range(2)]
    assert [engine.ended(task).status for task in tasks] == ["completed", "completed"]
    assert [engine.outcomes(task) for task in tasks] == [["completed"], ["completed"]]
    first, second = list_backups(place)
    assert first.ended_at <= second.begun_at


def _miss(engine: Engine, settings: dict[str, str]) -> None:
    """Let a worker declare the schedules and stop, and the last three nights pass."""
    worker = engine.work(backup_app(), concurrency=2, **settings)
    eventually(lambda: engine.ask("SELECT name FROM schedules WHERE next_at IS NOT NULL"))
    worker.stop()
    engine.ask(
        "UPDATE schedules SET next_at = now() - interval '74 h'"
        " + 2 * array_position(%s, name::text) * interval '1 h'",
        list(SCHEDULED),
    )


def test_nights_that_were_missed_are_made_up_for_once(
    engine: Engine, settings: dict[str, str], tmp_path: Path
) -> None:
    _miss(engine, settings)
    place = open_folder(tmp_path / "repository")
    old = Watched(engine.database, place.root).backup(100 * HOUR)
    engine.work(backup_app(), concurrency=2, **settings)
    eventually(lambda: len(engine.client.find(status="completed")) == 3)
    rows = engine.ask(
        "SELECT t.task_type, e.execution_start FROM tasks t"
        " JOIN agent_executions e ON e.task_id = t.id ORDER BY e.execution_start"
    )
    assert [row[0] for row in rows] == ["make_backup", "drill_backup", "prune_backups"]
    [made] = list_backups(place)
    assert made.name != old.name
    assert [drill.outcome for drill in read_drills(place, made.name)] == ["passed"]
    assert engine.ask("SELECT count(*) FROM schedules WHERE next_at > now()") == [(3,)]


def test_what_failed_is_seen_at_once(
    engine: Engine,
    settings: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _miss(engine, settings)
    engine.work(backup_app(), concurrency=2, **{**settings, "backup_repository": "s3://"})
    eventually(lambda: len(engine.client.find(status="failed")) == 3)
    for name in ("dsn", "home", "pg_bin"):
        value = engine.database.dsn if name == "dsn" else settings[name]
        monkeypatch.setenv(f"AGENTPG_{name.upper()}", value)
    monkeypatch.setenv("AGENTPG_SCHEMA", engine.database.schema)
    assert run(["status"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"3 failed last: {', '.join(sorted(SCHEDULED))}" in said


@pytest.mark.parametrize("kind", ["tape", "", 7])
def test_a_wrong_kind_fails_the_task_at_once(engine: Engine, place: Folder, kind: object) -> None:
    task = engine.run(NAME, "make_backup", {"kind": kind})
    assert (task.status, engine.outcomes(task.id)) == ("failed", ["failed"])
    assert f"not {kind!r}" in (task.error_message or "")
