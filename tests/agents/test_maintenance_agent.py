"""MaintenanceAgent through the engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentpg.agents.maintenance_agent import maintenance_app
from agentpg.db import connect
from tests.desk.ended import change, task_ids, write_ended
from tests.tasks.engine import Engine, ThreadWorker
from tests.waiting import eventually

AGENT = ("MaintenanceAgent", "remove_history")


def work(engine: Engine, **settings: str) -> ThreadWorker:
    """A worker that has no room for anything else."""
    dsn = engine.database.dsn
    return engine.work(maintenance_app(), concurrency=1, dsn_admin=dsn, **settings)


def test_it_removes_what_the_settings_let_go(engine: Engine, tmp_path: Path) -> None:
    kept = set(write_ended(engine.database, 2, age="1 day"))
    write_ended(engine.database, 200)
    settings = {"retention_completed": "30d", "retention_archive": "history"}
    work(engine, **settings, home=str(tmp_path))
    task = engine.run(*AGENT)
    assert task.status == "completed", task.error_message
    assert (task.result["tasks"], task.result["complete"]) == (200, True)
    assert task.result["kept_for"] == {"completed": "30d", "failed": None, "cancelled": None}
    assert task.result["rested_seconds"] == 0, "its own task makes no worker busy"
    assert Path(task.result["archive"]).parent == tmp_path / "history"
    assert task_ids(engine.database) == {*kept, task.id}


def test_its_own_history_goes_as_any_other(engine: Engine) -> None:
    work(engine, retention_completed="30d")
    first = engine.run(*AGENT)
    change(engine.database, "UPDATE tasks SET finished_at = now() - interval '31 days'")
    assert engine.run(*AGENT).result["tasks"] == 1
    assert first.id not in task_ids(engine.database)


def test_where_all_is_kept_it_does_nothing(engine: Engine) -> None:
    kept = set(write_ended(engine.database, 3))
    work(engine)
    assert engine.run(*AGENT).result["tasks"] == 0
    assert kept < task_ids(engine.database)


@pytest.mark.parametrize("minutes", [0, 51, "5", True, 1.5])
def test_wrong_minutes_fail_the_task_at_once(engine: Engine, minutes: object) -> None:
    work(engine, retention_completed="30d")
    task = engine.run(*AGENT, {"minutes": minutes})
    assert (task.status, engine.outcomes(task.id)) == ("failed", ["failed"])
    assert f"not {minutes!r}" in (task.error_message or "")


def test_a_retention_that_is_too_short_fails_the_task_at_once(engine: Engine) -> None:
    work(engine, retention_failed="1h")
    task = engine.run(*AGENT)
    assert (task.status, engine.outcomes(task.id)) == ("failed", ["failed"])
    assert "the longest retry takes 216min" in (task.error_message or "")


def test_it_can_be_cancelled_between_batches(engine: Engine) -> None:
    write_ended(engine.database, 3000)
    # A worker that is always busy makes it rest after each batch.
    change(
        engine.database,
        "INSERT INTO workers"
        " (id, host, pid, version, concurrency, lease_seconds, handlers, running)"
        " VALUES (gen_random_uuid(), 'h', 1, '0', 20, 3600, '[]', 5)",
    )
    work(engine, retention_completed="30d")
    task = engine.client.submit(*AGENT)
    eventually(lambda: len(task_ids(engine.database)) < 3000)
    engine.client.cancel(task)
    assert engine.ended(task).status == "cancelled"
    with connect(engine.database) as connection:
        left = connection.execute("SELECT count(*) FROM tasks WHERE agent_name = 'Old'").fetchone()
    assert left is not None
    assert 0 < left[0] < 3000
