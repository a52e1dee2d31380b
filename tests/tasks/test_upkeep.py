"""Who is taken for dead, and what becomes of the tasks of the dead."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from agentpg.db import Connection, Statements, connect
from agentpg.settings import load_settings
from agentpg.tasks.registration import Registration
from agentpg.tasks.upkeep import Upkeep, UpkeepCounts, UpkeepOptions
from tests.tasks.claimed import FROM_THE_HEAD
from tests.tasks.engine import Engine
from tests.tasks.recording import calls, differences, waits_for_a_lock
from tests.waiting import eventually

LEASE = 30.0


class Clock:
    """A monotonic clock that goes only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Yard:
    """Workers that exist only as rows, and one process that watches them."""

    def __init__(self, engine: Engine, connection: Connection[Any]) -> None:
        self.engine = engine
        self.clock = Clock()
        self._connection = connection
        self._sql = Statements("worker", engine.database.schema)
        self.upkeep = self.another()

    def another(self, **options: Any) -> Upkeep:
        """One more watching process, on a connection of its own."""
        return Upkeep(
            self._connection,
            self.engine.database.schema,
            UpkeepOptions(**options),
            clock=self.clock,
        )

    def worker(self, lease: float = LEASE) -> UUID:
        registration = Registration([("A", "t")], 10, timedelta(seconds=lease))
        self._connection.execute(self._sql["register"], registration.row())
        return registration.id

    def claim(self, worker: UUID, **options: Any) -> UUID:
        """A task that this worker holds."""
        task_id = self.engine.client.submit("A", "t", **options)
        parameters = {"worker": worker, "batch": 1, "handlers": ["A\x1ft"], "not_twice": []}
        claim = self._sql["claim"]
        [row] = self._connection.execute(claim, {**parameters, **FROM_THE_HEAD}).fetchall()
        assert row[0] == task_id
        return task_id

    def beat(self, worker: UUID) -> bool:
        parameters = {"worker": worker, "idle": True, "running": 0}
        return self._connection.execute(self._sql["beat"], parameters).fetchone() is not None

    def watch(self, seconds: float, *beating: UUID, step: float = 5.0) -> UpkeepCounts:
        """Let time pass in steps, looking at each; what all looks did together."""
        total = UpkeepCounts()
        passed = 0.0
        while True:
            for worker in beating:
                self.beat(worker)
            total = added(total, self.upkeep.run_once())
            if passed >= seconds:
                return total
            self.clock.now += min(step, seconds - passed)
            passed += step

    def ended_how(self, worker: UUID) -> str | None:
        [[how]] = self.engine.ask("SELECT ended_how FROM workers WHERE id = %s", worker)
        return how  # type: ignore[no-any-return]


def added(one: UpkeepCounts, other: UpkeepCounts) -> UpkeepCounts:
    return UpkeepCounts(
        one.lost_workers + other.lost_workers,
        one.put_back + other.put_back,
        one.ended + other.ended,
        one.forgotten_workers + other.forgotten_workers,
    )


@pytest.fixture
def yard(engine: Engine) -> Iterator[Yard]:
    with connect(engine.database) as connection:
        yield Yard(engine, connection)


def test_a_worker_silent_for_its_lease_is_lost(yard: Yard) -> None:
    worker = yard.worker()
    task_id = yard.claim(worker)
    assert yard.watch(LEASE - 0.1) == UpkeepCounts()
    assert yard.watch(0.1) == UpkeepCounts(lost_workers=1, put_back=1)
    assert yard.ended_how(worker) == "lost"
    task = yard.engine.client.get(task_id)
    assert (task.status, task.suspect, task.worker) == ("pending", True, None)
    assert (task.attempt, task.errors, task.crashes) == (1, 0, 0)
    assert task.error_message == "its worker died"
    [execution] = yard.engine.client.executions(task_id)
    assert (execution.outcome, execution.error_message) == ("lost", "its worker died")
    assert execution.duration_seconds is None


def test_a_worker_that_beats_is_left_alone(yard: Yard) -> None:
    worker = yard.worker()
    yard.claim(worker)
    assert yard.watch(10 * LEASE, worker) == UpkeepCounts()


def test_each_worker_has_its_own_lease(yard: Yard) -> None:
    short, long = yard.worker(lease=10), yard.worker(lease=1000)
    assert yard.watch(60).lost_workers == 1
    assert (yard.ended_how(short), yard.ended_how(long)) == ("lost", None)


def test_a_watcher_that_was_stopped_itself_takes_nobody_for_dead(yard: Yard) -> None:
    worker = yard.worker()
    yard.watch(LEASE - 5)
    yard.clock.now += 3600
    assert yard.upkeep.run_once() == UpkeepCounts()
    assert yard.watch(LEASE - 5) == UpkeepCounts()
    assert yard.watch(10).lost_workers == 1
    assert yard.ended_how(worker) == "lost"


def test_a_new_connection_starts_watching_anew(yard: Yard) -> None:
    """What the old one saw ended with the outage that ended it."""
    yard.worker()
    yard.watch(LEASE - 5)
    yard.upkeep = yard.another()
    assert yard.watch(LEASE - 5) == UpkeepCounts()
    assert yard.watch(5).lost_workers == 1


def test_a_beat_in_the_last_moment_saves(yard: Yard) -> None:
    worker = yard.worker()
    yard.watch(LEASE - 5)
    [[heartbeat]] = yard.engine.ask("SELECT heartbeat FROM workers")
    yard.beat(worker)
    statement = Statements("upkeep", yard.engine.database.schema)["declare_lost"]
    with connect(yard.engine.database) as connection:
        found = connection.execute(statement, {"worker": worker, "heartbeat": heartbeat})
        assert found.fetchall() == []
    assert yard.watch(5) == UpkeepCounts()


def test_one_of_two_watchers_acts(yard: Yard) -> None:
    task_id = yard.claim(yard.worker())
    other = yard.another()
    looks = []
    for _ in range(8):
        looks += [yard.upkeep.run_once(), other.run_once()]
        yard.clock.now += 5
    assert sum(look.lost_workers for look in looks) == 1
    assert sum(look.put_back for look in looks) == 1
    assert yard.engine.outcomes(task_id) == ["lost"]


def test_what_must_not_run_twice_ends(yard: Yard) -> None:
    task_id = yard.claim(yard.worker(), on_crash="fail")
    assert yard.watch(LEASE) == UpkeepCounts(lost_workers=1, ended=1)
    task = yard.engine.client.get(task_id)
    assert task.status == "failed"
    assert task.error_message == "its worker died, and it must not run twice (on_crash = fail)"


def test_what_was_to_be_cancelled_is_cancelled(yard: Yard) -> None:
    task_id = yard.claim(yard.worker())
    yard.engine.client.cancel(task_id)
    assert yard.watch(LEASE).ended == 1
    assert yard.engine.status(task_id) == "cancelled"
    assert yard.engine.outcomes(task_id) == ["lost"]


def test_the_tenth_loss_quarantines(yard: Yard) -> None:
    task_id = yard.engine.client.submit("A", "t")
    for losses in range(1, 11):
        worker = yard.worker()
        parameters = {"worker": worker, "batch": 1, "handlers": ["A\x1ft"], "not_twice": []}
        with connect(yard.engine.database) as connection:
            claim = Statements("worker", yard.engine.database.schema)["claim"]
            parameters |= FROM_THE_HEAD
            assert connection.execute(claim, parameters).fetchone() is not None
        counts = yard.watch(LEASE, step=10)
        assert (counts.put_back, counts.ended) == ((1, 0) if losses < 10 else (0, 1))
    task = yard.engine.client.get(task_id)
    assert (task.status, task.attempt, task.crashes) == ("failed", 10, 0)
    assert task.error_message == "quarantined after 10 lost executions: its worker died each time"


def test_an_open_call_is_lost_with_its_worker(yard: Yard) -> None:
    task_id = yard.claim(yard.worker())
    opening = Statements("usage", yard.engine.database.schema)["open_call"]
    with connect(yard.engine.database) as connection:
        connection.execute(
            opening,
            {"id": uuid7(), "task_id": task_id, "attempt": 1, "agent_name": "A",
             "provider": "openai", "model": "gpt-4o-mini"},
        )  # fmt: skip
    yard.watch(LEASE)
    [request] = yard.engine.client.llm_requests(task_id)
    assert (request.status, request.error_message) == ("lost", "its worker died")
    assert request.input_tokens is None
    [execution] = yard.engine.client.executions(task_id)
    assert (execution.llm_calls, execution.llm_unknown_calls) == (1, 1)


def open_call(connection: Connection[Any], task_id: UUID) -> None:
    """A call of the task's first attempt is about to be made."""
    names = {"agent_name": "A", "provider": "p", "model": "m"}
    values = {"id": uuid7(), "task_id": task_id, "attempt": 1, **names}
    statement = Statements("usage", "agentic_ai")["open_call"]
    assert connection.execute(statement, values).fetchone() == (True,)


def test_a_call_that_is_opened_during_the_rescue_is_lost_too(yard: Yard) -> None:
    task_id = yard.claim(yard.worker())
    database = yard.engine.database
    yard.watch(LEASE - 5)
    yard.clock.now += 5
    with ThreadPoolExecutor() as threads, connect(database, autocommit=False) as opening:
        open_call(opening, task_id)
        rescued = threads.submit(yard.upkeep.run_once)
        # The rescue has begun, without sight of the call, and waits for its execution.
        eventually(lambda: waits_for_a_lock(database))
        opening.commit()
        assert rescued.result(timeout=30) == UpkeepCounts(lost_workers=1, put_back=1)
    [call] = calls(database)
    assert (call.status, call.ended_at is not None) == ("lost", True)
    assert differences(database) == []


def test_tasks_whose_worker_has_no_row_are_put_back(yard: Yard) -> None:
    worker = yard.worker()
    task_id = yard.claim(worker)
    yard.engine.ask("DELETE FROM workers WHERE id = %s", worker)
    assert yard.upkeep.run_once() == UpkeepCounts(put_back=1)
    assert yard.engine.status(task_id) == "pending"


def test_tasks_left_by_a_worker_that_stopped_are_put_back(yard: Yard) -> None:
    worker = yard.worker()
    yard.claim(worker)
    yard.engine.ask("UPDATE workers SET ended_at = now(), ended_how = 'stopped'")
    assert yard.upkeep.run_once().put_back == 1


def test_what_another_program_runs_is_not_ours(yard: Yard) -> None:
    yard.engine.ask(
        "INSERT INTO tasks (agent_name, task_type, status) VALUES ('X', 'x', 'running')"
    )
    assert yard.watch(10 * LEASE) == UpkeepCounts()


def test_many_are_put_back_in_portions(yard: Yard) -> None:
    worker = yard.worker()
    yard.engine.ask(
        "INSERT INTO tasks (agent_name, task_type, status, worker, attempt)"
        " SELECT 'A', 't', 'running', %s, 1 FROM generate_series(1, 1500)",
        worker,
    )
    yard.engine.ask(
        "INSERT INTO agent_executions (task_id, attempt, agent_name, task_type, execution_start)"
        " SELECT id, 1, 'A', 't', now() FROM tasks"
    )
    yard.engine.ask("UPDATE workers SET ended_at = now(), ended_how = 'stopped'")
    assert [yard.upkeep.run_once().put_back for _ in range(3)] == [1000, 500, 0]


def test_rows_of_workers_that_ended_long_ago_are_deleted(yard: Yard) -> None:
    old, recent, alive = yard.worker(), yard.worker(), yard.worker()
    ended = (
        "UPDATE workers SET ended_how = 'stopped', ended_at = now() - %s::interval WHERE id = %s"
    )
    yard.engine.ask(ended, "8 days", old)
    yard.engine.ask(ended, "6 days", recent)
    assert yard.upkeep.run_once().forgotten_workers == 1
    assert {row[0] for row in yard.engine.ask("SELECT id FROM workers")} == {recent, alive}


def test_the_gap_that_a_worker_allows_itself_fits_its_lease() -> None:
    """With the default lease a pass comes every 4.3 s, and two may be missed."""
    beat = load_settings().lease / 7
    assert 2 * beat < UpkeepOptions().widest_gap
