"""Tasks in a worker's hands, at the moments between two steps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from agentpg.tasks.attempt import Attempt
from agentpg.tasks.handlers import App, Handler
from agentpg.tasks.hands import Hands
from agentpg.tasks.model import Claimed, Outcome, Settlement
from agentpg.tasks.run import Run
from tests.tasks.claimed import attempt_of, claimed

pytestmark = pytest.mark.without_server

WORKER = uuid7()


class Trial:
    """Hands of one slot, with what they did."""

    def __init__(self) -> None:
        self.began: list[UUID] = []
        self.put: list[Settlement] = []
        self.let_go = asyncio.Event()
        app = App()
        app.add(self._handle, agent_name="A", task_type="t")
        self.hands = Hands(
            app,
            1,
            begin=self._begin,
            put=lambda worker, settlement: self.put.append(settlement),
            slot_freed=lambda: None,
            room_made=lambda: None,
        )

    def take(self, *tasks: Claimed) -> None:
        self.hands.take(list(tasks), WORKER)

    def outcomes(self) -> list[tuple[UUID, Outcome]]:
        return [(settlement.id, settlement.outcome) for settlement in self.put]

    async def settled(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.put) < count or self.hands.running:
                await asyncio.sleep(0)

    async def begun(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.began) < count:
                await asyncio.sleep(0)

    async def _handle(self, run: Run) -> None:
        await self.let_go.wait()

    def _begin(self, task: Claimed, handler: Handler) -> Attempt:
        self.began.append(task.id)
        return attempt_of(handler, task)


def key(task: Claimed) -> list[tuple[UUID, int]]:
    return [(task.id, task.attempt)]


def in_loop(test: Callable[[Trial], object]) -> None:
    async def trying() -> None:
        working = test(Trial())
        assert asyncio.iscoroutine(working)
        await working

    asyncio.run(trying())


def test_what_does_not_fit_waits_and_follows() -> None:
    async def trying(trial: Trial) -> None:
        first, second = claimed(), claimed()
        trial.take(first, second)
        assert trial.hands.waiting == 1
        trial.let_go.set()
        await trial.settled(2)
        assert trial.outcomes() == [(t.id, Outcome.COMPLETED) for t in (first, second)]

    in_loop(trying)


def test_a_task_dropped_before_its_first_step_never_begins() -> None:
    async def trying(trial: Trial) -> None:
        task, waiting = claimed(), claimed()
        trial.take(task, waiting)
        trial.hands.drop(key(task) + key(waiting), "another has it now")
        await trial.settled(0)
        assert (trial.began, trial.put, trial.hands.attempts()) == ([], [], [])

    in_loop(trying)


def test_a_task_cancelled_before_its_first_step_never_begins() -> None:
    async def trying(trial: Trial) -> None:
        task, waiting = claimed(), claimed()
        trial.take(task, waiting)
        trial.hands.cancel(key(task) + key(waiting))
        await trial.settled(2)
        assert trial.began == []
        assert trial.outcomes() == [(t.id, Outcome.CANCELLED) for t in (task, waiting)]

    in_loop(trying)


def test_another_attempt_of_the_same_task_is_not_meant() -> None:
    async def trying(trial: Trial) -> None:
        task = claimed(attempt=2)
        trial.take(task)
        trial.hands.drop([(task.id, 1)], "another has it now")
        trial.hands.cancel([(task.id, 3), (uuid7(), 2)])
        assert trial.hands.attempts() == [(task.id, 2)]
        trial.let_go.set()
        await trial.settled(1)
        assert trial.outcomes() == [(task.id, Outcome.COMPLETED)]

    in_loop(trying)


def test_what_was_dropped_leaves_no_outcome_when_it_ends() -> None:
    async def trying(trial: Trial) -> None:
        task = claimed()
        trial.take(task)
        await trial.begun(1)
        trial.hands.drop(key(task), "another has it now")
        await trial.settled(0)
        assert trial.put == []
        assert not trial.hands.knows(task.id)

    in_loop(trying)


def test_a_declared_death_takes_only_what_was_claimed_under_that_id() -> None:
    async def trying(trial: Trial) -> None:
        old, new = claimed(), claimed()
        trial.hands.take([old], uuid7())
        trial.take(new)
        await trial.begun(1)
        trial.hands.drop_all_of(WORKER)
        assert trial.hands.attempts() == key(old)
        trial.let_go.set()
        await trial.settled(1)
        assert trial.outcomes() == [(old.id, Outcome.COMPLETED)]

    in_loop(trying)


def test_stopping_hands_back_what_has_not_begun_and_then_what_has() -> None:
    async def trying(trial: Trial) -> None:
        running, waiting = claimed(), claimed()
        trial.take(running, waiting)
        await trial.begun(1)
        trial.hands.hand_back_buffer()
        assert trial.outcomes() == [(waiting.id, Outcome.RELEASED)]
        await trial.hands.let_go()
        assert trial.outcomes()[1:] == [(running.id, Outcome.RELEASED)]
        assert trial.began == [running.id]

    in_loop(trying)


def test_a_task_is_known_until_its_outcome_is_written() -> None:
    async def trying(trial: Trial) -> None:
        task = claimed()
        trial.let_go.set()
        trial.take(task)
        await trial.settled(1)
        assert trial.hands.knows(task.id)
        assert trial.hands.attempts() == []
        trial.hands.forget(trial.put[0])
        assert not trial.hands.knows(task.id)

    in_loop(trying)


def test_a_task_without_a_handler_is_handed_back() -> None:
    async def trying(trial: Trial) -> None:
        stray = claimed(task_type="other")
        trial.take(stray)
        assert trial.outcomes() == [(stray.id, Outcome.RELEASED)]

    in_loop(trying)
