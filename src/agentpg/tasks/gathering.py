"""Submissions that come at the same time, gathered into one statement.

A commit is what a submission waits for, and one commit serves many tasks as well as one. The
first caller's task is submitted at once; what others submit meanwhile goes together in the
next statement. So a single caller waits for nobody, and each call returns when its task is
durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from agentpg.errors import AgentpgError, DatabaseUnavailable
from agentpg.tasks.model import NewTask

# So many tasks go in one statement: each may have a payload of a mebibyte.
_LARGEST_BATCH = 100

SubmitMany = Callable[[list[NewTask]], Awaitable[list[UUID]]]


@dataclass(slots=True, eq=False)
class _Waiting:
    """A task that waits for the statement before it; `turn` becomes its id, or None for
    "submit the next batch yourself"."""

    task: NewTask
    turn: asyncio.Future[UUID | None]


class AsyncGathering:
    """Gathers the tasks of concurrent callers; `submit_many` submits a batch, all or none."""

    def __init__(self, submit_many: SubmitMany) -> None:
        self._submit_many = submit_many
        self._waiting: list[_Waiting] = []
        self._under_way = False

    async def submit(self, task: NewTask) -> UUID:
        """Submit one task, perhaps together with others; raises what `submit_many` raises."""
        if not self._under_way:
            return await self._alone(task)
        mine = _Waiting(task, asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        try:
            submitted = await mine.turn
        except asyncio.CancelledError:
            self._step_back(mine)
            raise
        return submitted or await self._next_batch(mine)

    async def _alone(self, task: NewTask) -> UUID:
        self._under_way = True
        try:
            [task_id] = await self._submit_many([task])
        finally:
            self._pass_on()
        return task_id

    async def _next_batch(self, first: _Waiting) -> UUID:
        """Submit what has gathered behind `first`, which is part of it.

        In a task of its own: a caller that gives up must not take the others with it.
        """
        there = [one for one in self._waiting if one is first or not one.turn.done()]
        batch, self._waiting = there[:_LARGEST_BATCH], there[_LARGEST_BATCH:]
        first.turn = asyncio.get_running_loop().create_future()
        writing = asyncio.ensure_future(self._write(batch))
        await asyncio.shield(writing)
        submitted = first.turn.result()
        assert submitted is not None  # noqa: S101 - `_write` gives each its id or its error
        return submitted

    async def _write(self, batch: list[_Waiting]) -> None:
        try:
            await self._write_together(batch)
        except Exception as error:  # noqa: BLE001 - nobody may wait for ever
            for one in batch:
                _tell(one, error)
        finally:
            self._pass_on()

    async def _write_together(self, batch: list[_Waiting]) -> None:
        try:
            ids = await self._submit_many([one.task for one in batch])
        except DatabaseUnavailable:
            raise  # nobody knows whether it was committed: only the caller may repeat it
        except AgentpgError as error:
            if len(batch) == 1:
                _tell(batch[0], error)
            else:
                for one in batch:  # whoever is to blame, the others are not
                    await self._write_together([one])
            return
        for one, task_id in zip(batch, ids, strict=True):
            if not one.turn.done():
                one.turn.set_result(task_id)

    def _pass_on(self) -> None:
        """Let the first of those who wait submit the next batch."""
        while self._waiting and self._waiting[0].turn.done():
            del self._waiting[0]  # its caller has given up
        self._under_way = bool(self._waiting)
        if self._waiting:
            self._waiting[0].turn.set_result(None)

    def _step_back(self, mine: _Waiting) -> None:
        """Give up a task that is not under way yet, and the turn if it has come."""
        if mine in self._waiting:
            had_the_turn = self._waiting[0] is mine and not mine.turn.cancelled()
            self._waiting.remove(mine)
            if had_the_turn:
                self._pass_on()


class Gathering:
    """The same face where callers block: each has a thread and a connection of its own."""

    def __init__(self, submit_many: Callable[[list[NewTask]], list[UUID]]) -> None:
        self._submit_many = submit_many

    def submit(self, task: NewTask) -> UUID:
        """Submit one task."""
        return self._submit_many([task])[0]


def _tell(one: _Waiting, error: Exception) -> None:
    if not one.turn.done():
        one.turn.set_exception(error)
