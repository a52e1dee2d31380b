"""Handlers that run in child processes of their worker."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from agentpg.errors import HandlerNotImportable
from agentpg.tasks.children import prepare_children
from agentpg.tasks.handlers import App
from agentpg.tasks.model import NewTask
from agentpg.tasks.run import Run
from tests.apps.busy import app as busy
from tests.tasks.engine import Engine
from tests.tasks.test_alone import alive
from tests.waiting import eventually

pytestmark = pytest.mark.one_server

BUSY = "tests.apps.busy"


def test_children_are_used_again_and_bounded(engine: Engine) -> None:
    worker = engine.process(BUSY, child_processes="2")
    tasks = [NewTask(agent_name="Busy", task_type="count") for _ in range(30)]
    ids = engine.client.submit_many([*tasks, NewTask(agent_name="Busy", task_type="await")])
    results = [engine.ended(one).result for one in ids]
    children = {r["pid"] if isinstance(r, dict) else r for r in results}
    assert 1 <= len(children) <= 2
    assert worker.pid not in children
    assert results[0]["sum"] == 45
    assert worker.stop() == 0
    assert not any(alive(child) for child in children)


def test_a_child_is_replaced_after_so_many_tasks(engine: Engine) -> None:
    engine.work(busy, concurrency=1, tasks_per_child="2")
    children = [engine.run("Busy", "await").result for _ in range(5)]
    assert children[0] == children[1] != children[2] == children[3] != children[4]
    eventually(lambda: not alive(children[0]) and not alive(children[2]))


def test_a_time_out_ends_a_deaf_handler_and_its_slot_is_free(engine: Engine) -> None:
    engine.work(busy, concurrency=1, child_processes="1")
    began = time.monotonic()
    deaf = engine.client.submit("Busy", "deaf")
    after = engine.client.submit("Busy", "count")
    assert engine.ended(after).status == "completed"
    assert engine.outcomes(deaf) == ["timed_out"]
    assert "took longer than 500ms" in str(engine.client.get(deaf).error_message)
    assert time.monotonic() - began < 30


def test_a_handler_that_holds_the_interpreter_is_ended(engine: Engine, tmp_path: Path) -> None:
    engine.work(busy, concurrency=1)
    task_id = engine.client.submit("Busy", "hold", {"tell": str(tmp_path / "told")})
    assert engine.ended(task_id).status == "failed"
    assert engine.outcomes(task_id) == ["timed_out"]
    assert engine.run("Busy", "count").status == "completed"
    eventually(lambda: not alive(int((tmp_path / "told").read_text())))


def test_cancellation_ends_a_deaf_handler(engine: Engine, tmp_path: Path) -> None:
    engine.work(busy, concurrency=1)
    task_id, child = begun(engine, "forever", tmp_path)
    engine.client.cancel(task_id)
    assert engine.ended(task_id).status == "cancelled"
    assert engine.outcomes(task_id) == ["cancelled"]
    eventually(lambda: not alive(child))
    assert engine.run("Busy", "count").result["pid"] != child


def test_a_handler_that_notices_ends_by_itself(engine: Engine, tmp_path: Path) -> None:
    engine.work(busy, concurrency=1, child_processes="1")
    task_id, child = begun(engine, "notice", tmp_path)
    engine.client.cancel(task_id)
    assert engine.ended(task_id).status == "cancelled"
    assert (tmp_path / "told").read_text() == "noticed"
    assert engine.run("Busy", "count").result["pid"] == child


def test_a_task_that_waits_for_a_child_is_cancelled(engine: Engine, tmp_path: Path) -> None:
    engine.work(busy, concurrency=2, child_processes="1")
    first, _ = begun(engine, "forever", tmp_path)
    second = engine.client.submit("Busy", "count")
    engine.until_running(second)
    engine.client.cancel(second)
    assert engine.ended(second).status == "cancelled"
    engine.client.cancel(first)
    engine.ended(first)


def test_a_death_is_the_crash_of_that_task_alone(engine: Engine, tmp_path: Path) -> None:
    worker = engine.process(BUSY, child_processes="2")
    innocent, child = begun(engine, "notice", tmp_path)
    task = engine.run("Busy", "die")
    evidence = "its process was killed by signal 9 (SIGKILL)"
    assert (task.status, task.crashes, task.errors, task.attempt) == ("failed", 3, 0, 3)
    assert task.error_message == (
        f"quarantined after 3 crashes and 3 lost executions; the last one: {evidence}"
    )
    assert [e.error_message for e in engine.client.executions(task.id)] == [evidence] * 3
    assert worker.alive
    assert alive(child)
    assert engine.client.get(innocent).attempt == 1
    engine.client.cancel(innocent)
    engine.ended(innocent)


def test_an_idle_child_that_died_harms_no_task(engine: Engine) -> None:
    engine.work(busy, child_processes="1")
    child = engine.run("Busy", "count").result["pid"]
    os.kill(child, signal.SIGKILL)
    eventually(lambda: not alive(child))
    task = engine.run("Busy", "count")
    assert (task.status, task.attempt, task.crashes) == ("completed", 1, 0)


@pytest.mark.parametrize("task_type", ["forever", "hold_on"])
def test_no_child_outlives_a_killed_worker(engine: Engine, tmp_path: Path, task_type: str) -> None:
    worker = engine.process(BUSY)
    idle = engine.run("Busy", "count").result["pid"]
    task_id, child = begun(engine, task_type, tmp_path)
    worker.kill()
    eventually(lambda: not alive(child) and not alive(idle))
    engine.client.cancel(task_id)
    engine.process(BUSY)
    assert engine.ended(task_id).status == "cancelled"


def test_a_stopping_worker_hands_back_and_ends_its_children(engine: Engine, tmp_path: Path) -> None:
    worker = engine.work(busy, shutdown_grace="100ms")
    task_id, child = begun(engine, "forever", tmp_path)
    worker.stop()
    assert engine.outcomes(task_id) == ["released"]
    assert engine.client.get(task_id).crashes == 0
    assert not alive(child)


def test_calls_are_recorded_from_a_child(engine: Engine) -> None:
    engine.work(busy)
    spent = engine.run("Busy", "spend")
    [execution] = engine.client.executions(spent.id)
    assert (execution.llm_calls, execution.llm_total_tokens) == (1, 230)


def test_a_call_of_a_child_that_was_ended_is_lost(engine: Engine) -> None:
    engine.work(busy)
    task = engine.run("Busy", "call_for_ever")
    assert engine.outcomes(task.id) == ["timed_out"]
    eventually(lambda: [c.status for c in engine.client.llm_requests(task.id)] == ["lost"])


def test_output_and_log_lines_pass_through(engine: Engine) -> None:
    worker = engine.process(BUSY)
    engine.run("Busy", "talk", {"text": "héllo"})
    worker.stop()
    said = worker.log.read_text()
    assert "\nout héllo\n" in said
    assert "\nerr héllo\n" in said
    assert " agentpg.run log héllo\n" in said
    assert " agentpg.run failed at héllo\nTraceback" in said
    assert "ValueError: invalid literal for int() with base 10: 'héllo'\n" in said


def test_results_have_the_usual_limits(engine: Engine) -> None:
    engine.work(busy, result_limit="300kiB")
    large = "x" * 250_000
    assert engine.run("Busy", "echo", {"text": large}).result == large
    task = engine.run("Busy", "echo", {"text": large, "times": 2}, max_attempts=1)
    assert task.status == "failed"
    assert "over the limit" in str(task.error_message)
    unfit = engine.run("Busy", "echo", {"what": 1})
    assert "does not fit the handler" in str(unfit.error_message)


def test_a_function_that_no_child_can_find_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    app = App()

    def inner(run: Run) -> None:
        """Has no name that another process knows."""

    with pytest.raises(HandlerNotImportable, match=r"inner of A/b .*inside a function"):
        app.task("A", "b", runs_in="process")(inner)
    monkeypatch.setattr(top, "__module__", "__main__")
    with pytest.raises(HandlerNotImportable, match="belongs to the script"):
        app.task("A", "b", runs_in="process")(top)


def test_a_function_whose_name_means_another_is_refused_at_the_start() -> None:
    app = App()
    app.task("A", "b", runs_in="process")(top)
    original, globals()["top"] = top, app
    try:
        with pytest.raises(HandlerNotImportable, match="something else under that name"):
            prepare_children(app)
    finally:
        globals()["top"] = original


def test_where_a_handler_runs_is_one_of_two() -> None:
    with pytest.raises(ValueError, match='runs_in is "worker" or "process", not \'thread\''):
        App().task("A", "b", runs_in="thread")(top)  # type: ignore[arg-type]


def top(run: Run) -> None:
    """A handler at the top of a module."""


def begun(engine: Engine, task_type: str, folder: Path) -> tuple[Any, int]:
    """A task that runs by now, and the process it runs in."""
    told = folder / "told"
    task_id = engine.client.submit("Busy", task_type, {"tell": str(told)})
    eventually(told.exists)
    return task_id, int(told.read_text())
