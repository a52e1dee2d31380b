"""BackupAgent through the engine: real backups, real drills, real removal."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from agentpg.agents.backup_agent import NAME, backup_app
from agentpg.db import connect
from agentpg.desk.backup.storage.folder import Folder, open_folder
from agentpg.desk.backup.storage.records import key_of, list_backups, read_drills
from agentpg.desk.turn import UNDISTURBED, turn
from tests.desk.backup.sample import FAILED
from tests.desk.backup.watched import Watched
from tests.servers import PG_BIN
from tests.tasks.engine import Engine
from tests.waiting import eventually

HOUR = timedelta(hours=1)


@pytest.fixture
def place(engine: Engine, tmp_path: Path) -> Folder:
    """A worker with BackupAgent, and its repository."""
    settings = {
        "dsn_backup": engine.database.dsn,
        "home": str(tmp_path),
        "backup_repository": str(tmp_path / "repository"),
        "backup_keep_last": "1",
        "backup_keep_daily": "0",
        "backup_keep_weekly": "0",
        "backup_keep_monthly": "0",
        "pg_bin": PG_BIN,
    }
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


@pytest.mark.parametrize("kind", ["tape", "", 7])
def test_a_wrong_kind_fails_the_task_at_once(engine: Engine, place: Folder, kind: object) -> None:
    task = engine.run(NAME, "make_backup", {"kind": kind})
    assert (task.status, engine.outcomes(task.id)) == ("failed", ["failed"])
    assert f"not {kind!r}" in (task.error_message or "")
