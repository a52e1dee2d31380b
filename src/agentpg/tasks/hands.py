"""The tasks in a worker's hands: buffered, running, or waiting to be settled."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from agentpg.sealing import Sealer
from agentpg.tasks.alone import Alone
from agentpg.tasks.attempt import Attempt, decide, released, this_task
from agentpg.tasks.handlers import App, Handler
from agentpg.tasks.model import Claimed, Outcome, Settlement, Verdict
from agentpg.tasks.pace import until
from agentpg.tasks.sealed import SEALED, sealed_settlement

_log = logging.getLogger("agentpg.worker")

# After the grace, how long handlers have to take notice before their tasks are handed back.
_SECONDS_TO_LET_GO = 1.0

# After so many attempts in a row a slot lets others have a turn: handlers that never wait
# would else keep the event loop from claiming and writing.
_TURNS = 64


@dataclass(slots=True, eq=False)
class InHand:
    """A claimed task, and the worker id under which it was claimed."""

    task: Claimed
    worker: UUID
    since: float
    attempt: Attempt | Alone | None = None
    ended: bool = False


class Hands:
    """Runs what was claimed, so many at a time, and passes on what came of it.

    `begin` makes the attempt, `put` has its settlement written, `slot_freed` is called after
    each attempt, `room_made` when a slot has nothing more to run. All methods are for the
    event loop's thread; `attempts` may be called from any. `running` counts attempts under
    way, and `quiet` is set while there are none.
    """

    def __init__(
        self,
        app: App,
        concurrency: int,
        *,
        begin: Callable[[Claimed, Handler], Attempt | Alone],
        put: Callable[[UUID, Settlement], None],
        slot_freed: Callable[[], None],
        room_made: Callable[[], None],
        sealer: Sealer | None = None,
    ) -> None:
        self._app = app
        self._concurrency = concurrency
        self._begin = begin
        self._put = put
        self._slot_freed = slot_freed
        self._room_made = room_made
        self._sealer = sealer
        self._held: dict[UUID, InHand] = {}
        self._buffer: deque[InHand] = deque()
        self._slots: set[asyncio.Task[None]] = set()
        self._idle: list[asyncio.Future[None]] = []
        self.running = 0
        self._working = 0
        self.quiet = asyncio.Event()
        self.quiet.set()

    @property
    def waiting(self) -> int:
        """Claimed tasks that have no slot yet; some of the buffered ones have one coming."""
        coming = self.running - self._working
        return max(0, len(self._buffer) - coming)

    def knows(self, task_id: UUID) -> bool:
        """Whether the task is in these hands, settled or not."""
        return task_id in self._held

    def attempts(self) -> list[tuple[UUID, int]]:
        """Task and attempt of all that has not ended."""
        return [(h.task.id, h.task.attempt) for h in list(self._held.values()) if not h.ended]

    def take(self, tasks: list[Claimed], worker: UUID) -> None:
        """Take claimed tasks and begin as many as there are free slots."""
        now = asyncio.get_running_loop().time()
        for task in tasks:
            held = InHand(task, worker, now)
            self._held[task.id] = held
            if self._app.find(task.agent_name, task.task_type) is None:
                self._release(held, "its worker has no handler for it")
            else:
                self._buffer.append(held)
        self._fill()

    def forget(self, settlement: Settlement) -> None:
        """The settlement was written: let the task go."""
        held = self._held.get(settlement.id)
        if held is not None and held.task.attempt == settlement.attempt:
            del self._held[settlement.id]

    def cancel(self, attempts: list[tuple[UUID, int]]) -> None:
        """End these attempts because somebody asked for it."""
        for held in self._find(attempts):
            if held.attempt is not None:
                held.attempt.stop(Outcome.CANCELLED, "cancelled on request")
            else:
                self._buffer.remove(held)
                verdict = Verdict(outcome=Outcome.CANCELLED, error="cancelled on request")
                self._end(held, self._handler(held), verdict)

    def drop(self, attempts: list[tuple[UUID, int]], reason: str) -> None:
        """Give up attempts that were taken away; what comes of them cannot be written."""
        for held in self._find(attempts):
            held.ended = True
            del self._held[held.task.id]
            if held.attempt is None:
                self._buffer.remove(held)
            else:
                _log.warning("task %s: %s", held.task.id, reason)
                held.attempt.stop(Outcome.RELEASED, reason)

    def drop_all_of(self, worker: UUID) -> None:
        """Give up everything that was claimed under a worker id that was declared dead."""
        attempts = [(h.task.id, h.task.attempt) for h in self._held.values() if h.worker == worker]
        self.drop(attempts, "its worker was declared dead")

    def hand_back_buffer(self) -> None:
        """Hand back what has not begun."""
        while self._buffer:
            self._release(self._buffer.popleft(), "its worker stopped before it began")

    def hand_back_stale(self, seconds: float) -> int:
        """Hand back what has waited so long for a slot; others may have one. How many."""
        oldest = asyncio.get_running_loop().time() - seconds
        stale = [held for held in self._buffer if held.since < oldest] if self.waiting else []
        for held in stale:
            self._buffer.remove(held)
            self._release(held, "its worker had no slot for it")
        return len(stale)

    async def let_go(self) -> None:
        """Stop the handlers that still run, and hand back those that do not obey."""
        for held in self._unended():
            if held.attempt is not None:
                held.attempt.stop(Outcome.RELEASED, "its worker stopped")
        await until(self.quiet, seconds=_SECONDS_TO_LET_GO)
        for held in self._unended():
            self._release(held, "its worker stopped")

    def close(self) -> None:
        """End the slots. What still runs in one is left behind."""
        for slot in self._slots:
            slot.cancel()

    # Slots: asyncio tasks that run one attempt after the other

    def _fill(self) -> None:
        """Wake or make as many slots as there are tasks for."""
        for _ in range(min(len(self._buffer), self._concurrency - self.running)):
            self.running += 1
            self.quiet.clear()
            if self._idle:
                self._idle.pop().set_result(None)
            else:
                slot = asyncio.ensure_future(self._slot())
                self._slots.add(slot)
                slot.add_done_callback(self._slot_ended)

    async def _slot(self) -> None:
        """Run what is in the buffer, and sleep when it is empty, until it is used up."""
        context = contextvars.copy_context()
        own = this_task()
        turns = 0
        while True:
            while self._buffer:
                held = self._buffer.popleft()
                await self._run(held, own)
                self._slot_freed()
                if _is_used_up(own, held, context):
                    return
                turns += 1
                if turns % _TURNS == 0 and self._buffer:
                    await asyncio.sleep(0)
            sleeping = asyncio.get_running_loop().create_future()
            self._idle.append(sleeping)
            self._rest()
            # The buffer may have been emptied by others, so no attempt's end has said this.
            self._room_made()
            await sleeping

    async def _run(self, held: InHand, slot: asyncio.Task[None]) -> None:
        handler = self._handler(held)
        self._working += 1
        try:
            held.attempt = self._begin(held.task, handler)
            self._end(held, handler, await held.attempt.verdict(slot))
            await held.attempt.thread_ended()
        finally:
            self._working -= 1

    def _rest(self) -> None:
        self.running -= 1
        if not self.running:
            self.quiet.set()

    def _slot_ended(self, slot: asyncio.Task[None]) -> None:
        self._slots.discard(slot)
        self._rest()
        if slot.cancelled():
            return
        if slot.exception() is not None:
            _log.error("an attempt broke down", exc_info=slot.exception())
        self._fill()
        self._slot_freed()

    def _handler(self, held: InHand) -> Handler:
        handler = self._app.find(held.task.agent_name, held.task.task_type)
        assert handler is not None  # noqa: S101 - `take` hands back what has none
        return handler

    def _end(self, held: InHand, handler: Handler, verdict: Verdict) -> None:
        if held.ended:
            return
        settlement = decide(held.task, handler, verdict)
        held.ended = True
        error = verdict.error
        if self._sealer is not None:
            plain, settlement = settlement, sealed_settlement(self._sealer, held.task, settlement)
            error = error if plain.attempt_error == settlement.attempt_error else SEALED
        _log_outcome(held, verdict.outcome, error)
        self._put(held.worker, settlement)

    def _release(self, held: InHand, reason: str) -> None:
        if not held.ended:
            held.ended = True
            self._put(held.worker, released(held.task.id, held.task.attempt, reason))

    def _find(self, attempts: list[tuple[UUID, int]]) -> list[InHand]:
        found = [(self._held.get(task), attempt) for task, attempt in attempts]
        return [h for h, n in found if h is not None and h.task.attempt == n and not h.ended]

    def _unended(self) -> list[InHand]:
        return [held for held in self._held.values() if not held.ended]


_LEVELS = {
    Outcome.COMPLETED: logging.DEBUG,
    Outcome.CANCELLED: logging.INFO,
    Outcome.RELEASED: logging.INFO,
}


def _is_used_up(own: asyncio.Task[None], held: InHand, context: contextvars.Context) -> bool:
    """Whether the next attempt needs a fresh asyncio task: this one was cancelled, or its
    handler has set context variables, which the next one must not see."""
    stopped = held.attempt is not None and held.attempt.was_stopped
    return stopped or own.cancelling() > 0 or contextvars.copy_context() != context


def _log_outcome(held: InHand, outcome: Outcome, error: str | None) -> None:
    level = _LEVELS.get(outcome, logging.WARNING)
    if _log.isEnabledFor(level):
        task = held.task
        _log.log(
            level,
            "%s/%s %s%s",
            task.agent_name,
            task.task_type,
            outcome,
            f": {error}" if error else "",
            extra={
                "worker": str(held.worker),
                "agent": task.agent_name,
                "task": str(task.id),
                "attempt": task.attempt,
            },
        )
