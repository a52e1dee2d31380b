"""How soon the dead are noticed, and that the living are not taken for them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from agentpg.tasks.model import NewTask
from tests.tasks.engine import Engine, ProcessWorker
from tests.waiting import eventually

pytestmark = pytest.mark.one_server

_DEFAULT = {"lease": "30s", "poll_interval": "1s"}


@contextmanager
def burning(processes: int) -> Iterator[None]:
    """All cores are busy with something else, and it is no less important."""
    burners = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)
    ]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


def test_the_dead_are_rescued_within_35_seconds(engine: Engine) -> None:
    """At the default settings, where the lease is 30 s."""
    first = engine.process(**_DEFAULT)
    task_id = engine.client.submit("Plain", "first_slow")
    engine.until_running(task_id)
    engine.process(**_DEFAULT)
    first.kill()
    died_at = time.monotonic()
    eventually(lambda: engine.outcomes(task_id) != [None])
    assert 25 < time.monotonic() - died_at <= 35
    assert engine.ended(task_id).result == 2


def test_a_busy_machine_makes_nobody_dead(engine: Engine) -> None:
    """Workers that get little of the processor are slow, not silent, for some short leases."""
    workers = [engine.process(lease="3s") for _ in range(2)]
    naps = [NewTask(agent_name="Plain", task_type="nap")] * 300
    with burning(2 * (os.cpu_count() or 1)):
        began = time.monotonic()
        while time.monotonic() - began < 7:
            engine.client.submit_many(naps)
            engine.until_all_ended()
    assert all(worker.alive for worker in workers)
    assert engine.ask("SELECT id FROM workers WHERE ended_at IS NOT NULL") == []
    assert engine.ask("SELECT DISTINCT outcome FROM agent_executions") == [("completed",)]


def _holds_some(engine: Engine, worker: ProcessWorker) -> list[tuple[object, ...]]:
    return engine.ask(
        "SELECT e.task_id FROM agent_executions e JOIN workers w ON w.id = e.worker"
        " WHERE w.pid = %s AND e.outcome IS NULL",
        worker.pid,
    )


def test_replacing_workers_loses_no_attempt(engine: Engine) -> None:
    """Each is told to stop while it is busy, and another takes its place."""
    tasks = [
        NewTask(agent_name="Plain", task_type="nap", payload={"seconds": number % 20 / 10})
        for number in range(100)
    ]
    worker = engine.process(lease="5s", shutdown_grace="1s")
    ids = []
    for _ in range(3):
        ids += engine.client.submit_many(tasks)
        eventually(partial(_holds_some, engine, worker))
        successor = engine.process(lease="5s", shutdown_grace="1s")
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
        worker = successor
    engine.until_all_ended()
    outcomes = {row[0] for row in engine.ask("SELECT DISTINCT outcome FROM agent_executions")}
    assert {"completed"} <= outcomes <= {"completed", "released"}
    assert engine.ask("SELECT count(*) FROM tasks WHERE status = 'completed'") == [(len(ids),)]
    assert engine.ask("SELECT id FROM workers WHERE ended_how = 'lost'") == []
