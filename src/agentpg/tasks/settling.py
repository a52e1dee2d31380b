"""Writing outcomes down, in batches and without waiting for a batch to fill."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

from agentpg.db import Statements, SteadyConnection, is_refused_value, server_message
from agentpg.errors import DatabaseUnavailable
from agentpg.tasks.model import Outcome, Settlement, TaskStatus
from agentpg.tasks.pace import spread
from agentpg.tasks.redaction import without_secrets

_log = logging.getLogger("agentpg.settling")

# The most outcomes one statement writes; more gain nothing and hold locks for longer.
_LARGEST_BATCH = 1000

# The wait before an outcome is tried again that the server did not take for now, or that it
# was away for.
_PAUSE_SECONDS = 1.0

# Outcomes of attempts that may have left a call to a model open.
_BROKEN_OFF = (Outcome.LOST, Outcome.RELEASED, Outcome.CANCELLED, Outcome.TIMED_OUT)


class Settling:
    """Takes settlements as they come and writes them as fast as the server takes them.

    The first is written at once; while a statement is under way others gather, and go
    together in the next one. So an idle worker adds no delay, and a busy one has batches.
    Nothing is dropped: while the database is away, settlements wait in memory.
    """

    def __init__(
        self,
        connection: SteadyConnection,
        schema: str,
        settled: Callable[[Settlement], None],
    ) -> None:
        self._connection = connection
        self._sql = Statements("worker", schema)
        self._calls = Statements("usage", schema)["give_up_calls"]
        self._settled = settled
        self._waiting: list[tuple[UUID, Settlement]] = []
        self._arrived = asyncio.Event()
        self._postponed = 0
        self._empty = asyncio.Event()
        self._empty.set()

    def put(self, worker: UUID, settlement: Settlement) -> None:
        """Have `settlement` written, for the worker id under which the task was claimed."""
        self._waiting.append((worker, settlement))
        self._empty.clear()
        self._arrived.set()

    async def flushed(self) -> None:
        """Wait until everything that was put has been written."""
        await self._empty.wait()

    async def run(self) -> None:
        """Write for ever; cancel it to stop."""
        while True:
            await self._arrived.wait()
            batch, self._waiting = self._waiting[:_LARGEST_BATCH], self._waiting[_LARGEST_BATCH:]
            if not self._waiting:
                self._arrived.clear()
            for _, settlement in await self._write(batch):
                self._settled(settlement)
            if not self._waiting and not self._postponed:
                self._empty.set()

    async def _write(self, batch: list[tuple[UUID, Settlement]]) -> list[tuple[UUID, Settlement]]:
        """Write a batch, and return what needs no more writing of it.

        One that the server refuses is written piece by piece.
        """
        try:
            await self._settle(batch)
        except Exception as error:  # noqa: BLE001 - one bad outcome must not stop the others
            if len(batch) > 1:
                return [done for one in batch for done in await self._write([one])]
            if is_refused_value(error):
                await self._write_refused(*batch[0], server_message(error))
                return batch
            _log.warning("task %s cannot be settled now: %s", batch[0][1].id, error)
            self._postpone(batch[0])
            return []
        return batch

    def _postpone(self, one: tuple[UUID, Settlement]) -> None:
        """Try it again after a while; the others go on meanwhile."""
        self._postponed += 1

        def again() -> None:
            self._postponed -= 1
            self.put(*one)

        asyncio.get_running_loop().call_later(_PAUSE_SECONDS, again)

    async def _write_refused(self, worker: UUID, settlement: Settlement, reason: str) -> None:
        """Settle as failed what the server will never take, without the values it refused."""
        try:
            await self._settle([(worker, _refused(settlement, reason))])
        except Exception:  # noqa: BLE001 - the others must be written all the same
            _log.exception("task %s cannot be settled", settlement.id)

    async def _settle(self, batch: list[tuple[UUID, Settlement]]) -> None:
        completed: dict[UUID, list[tuple[UUID, Settlement]]] = {}
        others: list[tuple[UUID, Settlement]] = []
        for one in batch:
            if one[1].outcome is Outcome.COMPLETED:
                completed.setdefault(one[0], []).append(one)
            else:
                others.append(one)
        for worker, ended in completed.items():
            columns = _completed_columns(worker, ended)
            _tell(ended, await self._connection.insist(self._sql["complete"], columns))
        if others:
            _tell(others, await self._settle_others(others))

    async def _settle_others(self, batch: list[tuple[UUID, Settlement]]) -> list[Any]:
        columns = _columns(batch)
        broken_off = [s for _, s in batch if s.outcome in _BROKEN_OFF]
        if not broken_off:
            return await self._connection.insist(self._sql["settle"], columns)
        left = {
            "ids": [s.id for s in broken_off],
            "attempts": [s.attempt for s in broken_off],
            "reason": "its attempt ended first",
        }
        while True:
            try:
                # Together: a worker that dies in between leaves no open call behind.
                async with self._connection.transaction() as execute:
                    written = await execute(self._sql["settle"], columns)
                    await execute(self._calls, left)
                    return written
            except DatabaseUnavailable as error:
                _log.warning("%s; trying again", error)
                await asyncio.sleep(spread(_PAUSE_SECONDS, 0.5))


def _tell(batch: list[tuple[UUID, Settlement]], rows: list[Any]) -> None:
    """Log what could not be written, since others had taken it away."""
    if len(rows) == len(batch):
        return
    written = {row[0] for row in rows}
    for _, settlement in batch:
        if settlement.id not in written:
            _log.info(
                "task %s was no longer ours in attempt %s when it was to be written as %s",
                settlement.id,
                settlement.attempt,
                settlement.outcome,
            )


def _completed_columns(worker: UUID, batch: list[tuple[UUID, Settlement]]) -> dict[str, Any]:
    return {
        "worker": worker,
        "ids": [s.id for _, s in batch],
        "attempts": [s.attempt for _, s in batch],
        "results": [s.result for _, s in batch],
        "seconds": [s.seconds for _, s in batch],
    }


def _columns(batch: list[tuple[UUID, Settlement]]) -> dict[str, list[Any]]:
    settlements = [settlement for _, settlement in batch]
    return {
        "workers": [worker for worker, _ in batch],
        "ids": [s.id for s in settlements],
        "attempts": [s.attempt for s in settlements],
        "statuses": [s.status.value for s in settlements],
        "outcomes": [s.outcome.value for s in settlements],
        "results": [s.result for s in settlements],
        "error_messages": [s.error for s in settlements],
        "attempt_errors": [s.attempt_error for s in settlements],
        "seconds": [s.seconds for s in settlements],
        "delays": [s.delay_seconds for s in settlements],
        "errors": [s.errors for s in settlements],
        "crashes": [s.crashes for s in settlements],
        "max_attempts": [s.max_attempts for s in settlements],
        "suspects": [s.suspect for s in settlements],
    }


def _refused(settlement: Settlement, reason: str) -> Settlement:
    """The settlement of a task whose result the server refuses to store."""
    error = f"the outcome cannot be stored: {without_secrets(reason)}"
    return settlement._replace(
        status=TaskStatus.FAILED,
        outcome=Outcome.FAILED,
        result=None,
        error=error,
        attempt_error=error,
        seconds=None,
        delay_seconds=0.0,
        errors=1,
        crashes=0,
        max_attempts=None,
    )
