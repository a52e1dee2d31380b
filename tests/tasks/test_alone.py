"""Tasks that kill their process, and the innocents that ran beside them."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agentpg.tasks.handlers import App
from agentpg.tasks.model import NewTask
from agentpg.tasks.run import Run
from tests.apps.deadly import app as deadly
from tests.tasks.engine import Engine
from tests.waiting import eventually

DEADLY = "tests.apps.deadly"


def suspect(engine: Engine, task_type: str, payload: Any = None, **options: Any) -> Any:
    """Submit a task as if a worker had died with it."""
    later = timedelta(hours=1)
    task_id = engine.client.submit("Deadly", task_type, payload, delay=later, **options)
    engine.ask("UPDATE tasks SET suspect = true, run_at = now() WHERE id = %s", task_id)
    return task_id


@pytest.mark.parametrize(
    ("how", "evidence"),
    [
        ("kill", "its process was killed by signal 9 (SIGKILL)"),
        ("exit", "its process ended with exit code 7"),
    ],
)
def test_a_deadly_task_is_quarantined_and_innocents_go_on(
    engine: Engine, how: str, evidence: str
) -> None:
    innocents = engine.client.submit_many(
        [NewTask(agent_name="Deadly", task_type="innocent") for _ in range(6)]
    )
    deadly_one = engine.client.submit("Deadly", "die", {"how": how})
    first = engine.process(DEADLY)
    first.wait()
    second = engine.process(DEADLY)
    task = engine.ended(deadly_one)
    assert (task.status, task.crashes, task.errors, task.attempt) == ("failed", 3, 0, 4)
    assert task.error_message == (
        f"quarantined after 3 crashes and 4 lost executions; the last one: {evidence}"
    )
    assert engine.outcomes(deadly_one) == ["lost"] * 4
    reasons = [execution.error_message for execution in engine.client.executions(deadly_one)]
    assert reasons == ["its worker died", evidence, evidence, evidence]
    for innocent in innocents:
        done = engine.ended(innocent)
        assert (done.status, done.crashes, done.errors) == ("completed", 0, 0)
        assert engine.outcomes(innocent)[-1] == "completed"
        assert not done.suspect
    assert second.alive


def test_a_task_that_behaves_when_alone_completes(engine: Engine) -> None:
    task_id = engine.client.submit("Deadly", "die_once")
    engine.process(DEADLY).wait()
    second = engine.process(DEADLY)
    task = engine.ended(task_id)
    assert (task.status, task.crashes, task.suspect) == ("completed", 0, False)
    assert task.result != second.pid, "a suspect has a process of its own"
    assert engine.outcomes(task_id) == ["lost", "completed"]


def test_what_must_not_run_twice_does_not(engine: Engine) -> None:
    task_id = engine.client.submit("Deadly", "die_at_most_once")
    engine.process(DEADLY).wait()
    second = engine.process(DEADLY)
    task = engine.ended(task_id)
    assert (task.status, task.attempt) == ("failed", 1)
    assert "must not run twice" in str(task.error_message)
    assert engine.outcomes(task_id) == ["lost"]
    assert second.alive


def test_a_suspect_fails_like_any_other(engine: Engine) -> None:
    engine.work(deadly)
    raising = engine.ended(suspect(engine, "raise", max_attempts=1))
    assert (raising.status, raising.error_message) == ("failed", "ValueError: not a crash")
    assert (raising.crashes, raising.errors, raising.suspect) == (0, 1, False)
    hanging = engine.ended(suspect(engine, "hang"))
    assert engine.outcomes(hanging.id) == ["timed_out"]
    unfit = engine.ended(suspect(engine, "raise", {"what": 1}))
    assert "does not fit the handler" in str(unfit.error_message)


def test_a_suspect_is_cancelled_in_its_process(engine: Engine, tmp_path: Path) -> None:
    engine.work(deadly)
    task_id, child = lasting(engine, tmp_path)
    engine.client.cancel(task_id)
    assert engine.ended(task_id).status == "cancelled"
    eventually(lambda: not alive(child))


def test_a_suspect_is_handed_back_when_its_worker_stops(engine: Engine, tmp_path: Path) -> None:
    worker = engine.work(deadly, shutdown_grace="100ms")
    task_id, child = lasting(engine, tmp_path)
    worker.stop()
    assert engine.outcomes(task_id) == ["released"]
    task = engine.client.get(task_id)
    assert (task.crashes, task.suspect) == (0, True)
    eventually(lambda: not alive(child))


@pytest.mark.one_server
def test_a_child_ends_with_its_worker(engine: Engine, tmp_path: Path) -> None:
    """The death of the worker is not the crash of what it watched."""
    worker = engine.process(DEADLY)
    task_id, child = lasting(engine, tmp_path)
    worker.kill()
    eventually(lambda: not alive(child))
    engine.process(DEADLY)
    eventually(lambda: len(engine.outcomes(task_id)) == 2)
    assert engine.outcomes(task_id)[0] == "lost"
    assert engine.client.get(task_id).crashes == 0
    engine.client.cancel(task_id)
    engine.ended(task_id)


def test_signals_for_the_worker_leave_the_child_alone(engine: Engine, tmp_path: Path) -> None:
    """A service manager sends SIGTERM to every process, and a terminal SIGINT."""
    engine.work(deadly)
    task_id, child = lasting(engine, tmp_path, seconds=1)
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(child, number)
    assert engine.ended(task_id).status == "completed"
    assert engine.outcomes(task_id) == ["completed"]


def test_a_suspect_whose_handler_has_no_name_runs_alone_too(engine: Engine) -> None:
    app = App()

    @app.task("Deadly", "hidden")
    def hidden(run: Run) -> int:
        run.log.info("from %s", os.getpid())
        return os.getpid()

    engine.work(app)
    task = engine.ended(suspect(engine, "hidden"))
    assert (task.status, task.suspect) == ("completed", False)
    assert task.result != os.getpid()
    assert [event.message for event in engine.client.events(task.id)] == [f"from {task.result}"]
    eventually(lambda: not alive(task.result))


def lasting(engine: Engine, folder: Path, seconds: float = 60) -> tuple[Any, int]:
    """A suspect that runs by now, and the process it runs in."""
    told = folder / "told"
    task_id = suspect(engine, "innocent", {"seconds": seconds, "tell": str(told)})
    eventually(told.exists)
    return task_id, int(told.read_text())


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"
