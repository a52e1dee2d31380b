"""A worker that was stopped past its lease can write nothing to the attempt after its own.

It is stopped, rescued, and its task runs in another worker; then it goes on, and writes
before it can have learned that it was declared dead.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agentpg.db import connect
from tests.tasks.engine import Engine, ProcessWorker
from tests.waiting import eventually


class Sleeper:
    """A worker that sleeps past its lease in the middle of a task, and its successor."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.first: ProcessWorker
        self.second: ProcessWorker

    def sleep_over(self, kind: str) -> None:
        """Have the task taken over while its first worker is stopped."""
        # The task is the first one's only if the other is not there yet.
        self.first = self.engine.process("tests.apps.stubborn", shutdown_grace="100ms")
        self.task_id = self.engine.client.submit(
            "Stubborn", "write", {"kind": kind, "folder": str(self.folder)}
        )
        eventually((self.folder / "begun").exists)
        [(self.dead,)] = self.engine.registered(self.first)
        self.first.send(signal.SIGSTOP)
        self._end_its_pulse()
        self.second = self.engine.process("tests.apps.stubborn")
        eventually(lambda: self.attempts() == [(1, "lost"), (2, None)])

    def _end_its_pulse(self) -> None:
        """End the session of its heartbeat: the stop may fall between a beat and the look for
        lost tasks, which would be the first thing that it does when it goes on."""
        name = f"agentpg pulse {self.dead}"
        sessions = "FROM pg_stat_activity WHERE application_name = %s"
        self.engine.ask(f"SELECT pg_terminate_backend(pid) {sessions}", name)
        eventually(lambda: not self.engine.ask(f"SELECT pid {sessions}", name))

    @contextmanager
    def awake(self, *signals: signal.Signals) -> Iterator[None]:
        """The first worker goes on, and cannot learn meanwhile that it was declared dead."""
        with connect(self.engine.database, autocommit=False) as connection:
            connection.execute("LOCK TABLE agentic_ai.workers IN SHARE ROW EXCLUSIVE MODE")
            (self.folder / "go").touch()
            for number in signals:
                self.first.send(number)
            self.first.send(signal.SIGCONT)
            yield
            assert self.engine.registered(self.first) == []

    def attempts(self) -> list[tuple[int, str | None]]:
        """The attempts of the task, and their outcomes."""
        return [(e.attempt, e.outcome) for e in self.engine.client.executions(self.task_id)]

    def was_refused(self) -> bool:
        """Whether the first worker learned that what it said about the task was not written."""
        return "was no longer ours in attempt 1" in self.first.log.read_text()

    def is_unharmed(self) -> None:
        """The second attempt runs on, knows nothing of the first one's, and completes."""
        engine = self.engine
        assert self.attempts() == [(1, "lost"), (2, None)]
        task = engine.client.get(self.task_id)
        assert (task.status, task.attempt, task.errors, task.crashes) == ("running", 2, 0, 0)
        assert (task.result, task.error_message) == (None, "its worker died")
        (self.folder / "end").touch()
        task = engine.ended(self.task_id)
        assert (task.status, task.result, task.errors) == ("completed", "second", 0)
        assert self.attempts() == [(1, "lost"), (2, "completed")]
        second = engine.client.executions(self.task_id)[1]
        assert (second.llm_calls, second.llm_total_tokens, second.cost_usd) == (0, 0, None)
        [(how,)] = engine.ask("SELECT ended_how FROM workers WHERE id = %s", self.dead)
        assert how == "lost"


@pytest.fixture
def sleeper(engine: Engine, tmp_path: Path) -> Sleeper:
    return Sleeper(engine, tmp_path)


@pytest.mark.parametrize("kind", ["complete", "fail", "give_up"])
def test_it_cannot_settle(sleeper: Sleeper, kind: str) -> None:
    sleeper.sleep_over(kind)
    with sleeper.awake():
        eventually(sleeper.was_refused)
    sleeper.is_unharmed()
    assert eventually(lambda: sleeper.engine.registered(sleeper.first)) != [(sleeper.dead,)]


def test_it_cannot_hand_back(sleeper: Sleeper) -> None:
    sleeper.sleep_over("hand_back")
    with sleeper.awake(signal.SIGTERM):
        eventually(sleeper.was_refused)
    sleeper.is_unharmed()
    assert sleeper.first.wait() == 0


def test_it_cannot_call_a_model(sleeper: Sleeper) -> None:
    """Neither in its own name, since its execution has ended, nor in the next one's."""
    sleeper.sleep_over("open_call")
    with sleeper.awake():
        eventually((sleeper.folder / "refused").exists)
        eventually(sleeper.was_refused)
    assert sleeper.engine.client.llm_requests(sleeper.task_id) == []
    sleeper.is_unharmed()
    first = sleeper.engine.client.executions(sleeper.task_id)[0]
    assert (first.llm_calls, first.llm_total_tokens) == (0, 0)


def test_what_it_spent_is_kept_on_its_own_execution(sleeper: Sleeper) -> None:
    sleeper.sleep_over("close_call")
    [call] = sleeper.engine.client.llm_requests(sleeper.task_id)
    assert (call.attempt, call.status, call.input_tokens) == (1, "lost", None)
    with sleeper.awake():
        eventually((sleeper.folder / "closed").exists)
        eventually(sleeper.was_refused)
    [call] = sleeper.engine.client.llm_requests(sleeper.task_id)
    assert (call.attempt, call.status) == (1, "ok")
    assert (call.input_tokens, call.output_tokens) == (100, 20)
    sleeper.is_unharmed()
    first = sleeper.engine.client.executions(sleeper.task_id)[0]
    assert (first.llm_calls, first.llm_unknown_calls, first.llm_total_tokens) == (1, 0, 120)
    assert first.cost_usd is not None
