"""Worker processes told to stop by signals."""

from __future__ import annotations

import signal

from agentpg.tasks.model import NewTask
from tests.tasks.engine import Engine
from tests.waiting import eventually


def test_sigterm_lets_handlers_finish(engine: Engine) -> None:
    worker = engine.process()
    task_id = engine.client.submit("Plain", "nap", {"seconds": 0.5})
    engine.until_running(task_id)
    assert worker.stop() == 0
    assert engine.outcomes(task_id) == ["completed"]
    assert engine.ask("SELECT ended_how FROM workers") == [("stopped",)]


def test_what_takes_longer_than_the_grace_is_handed_back(engine: Engine) -> None:
    worker = engine.process(shutdown_grace="500ms", concurrency="4")
    slow = NewTask(agent_name="Plain", task_type="first_slow")
    ids = engine.client.submit_many([slow] * 3)
    deaf = engine.client.submit("Plain", "sync_nap", {"seconds": 30})
    for task_id in (*ids, deaf):
        engine.until_running(task_id)
    assert worker.stop() == 0
    for task_id in (*ids, deaf):
        task = engine.client.get(task_id)
        assert (task.status, task.attempt) == ("pending", 1)
        assert (task.errors, task.crashes, task.suspect) == (0, 0, False)
        assert engine.outcomes(task_id) == ["released"]
    engine.client.cancel(deaf)
    engine.process()
    for task_id in ids:
        assert engine.ended(task_id).result == 2
        assert engine.outcomes(task_id) == ["released", "completed"]


def test_a_second_signal_stops_at_once(engine: Engine) -> None:
    worker = engine.process(shutdown_grace="10min")
    task_id = engine.client.submit("Plain", "nap", {"seconds": 600})
    engine.until_running(task_id)
    worker.send(signal.SIGTERM)
    eventually(lambda: "waits for 1 handlers" in worker.log.read_text())
    assert worker.alive
    assert worker.stop() == 0
    assert engine.outcomes(task_id) == ["released"]


def test_ctrl_c_is_a_signal_too(engine: Engine) -> None:
    worker = engine.process()
    worker.send(signal.SIGINT)
    assert worker.wait() == 0
    assert engine.ask("SELECT ended_how FROM workers") == [("stopped",)]
