"""Writing calls to language models down, in the process that makes them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from agentpg.db import Statements, SteadyConnection
from agentpg.errors import HandlerStopped
from agentpg.language import N_
from agentpg.sealing import Place, Sealer
from agentpg.tasks.answers import Answer
from agentpg.tasks.encoding import plain_text
from agentpg.tasks.pricing import cost_of

Result = TypeVar("Result")

_log = logging.getLogger("agentpg.usage")

# A handler waits so long for the end of its call to be written; when the database is away
# longer, the handler goes on and the ledger keeps trying.
_CLOSING_SECONDS = 5.0

_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A call that is about to be made."""

    id: UUID
    task_id: UUID
    attempt: int
    agent_name: str
    task_type: str
    provider: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a call ended and what became known of it."""

    call: Opening
    status: str
    seconds: float
    answer: Answer
    cost_usd: Decimal | None
    cost_source: str
    error: str | None


class Ledger:
    """Writes the rows of `llm_requests` and the counters on their execution.

    Belongs to one event loop. Its statements may be repeated, so a connection that is lost
    in the middle of one does no harm.
    """

    def __init__(
        self, connection: SteadyConnection, schema: str, sealer: Sealer | None = None
    ) -> None:
        self._connection = connection
        self._sealer = sealer
        self._statements = Statements("usage", schema)
        self._open: dict[UUID, Opening] = {}
        self._under_way: set[asyncio.Task[Any]] = set()

    async def open(self, opening: Opening) -> None:
        """Write down that a call starts; waits while the database is away.

        Raises HandlerStopped if the attempt has ended meanwhile. A caller that is cancelled
        waits no longer; a row that comes into being all the same is closed.
        """
        inserting = self.keep(self._insert(opening))
        try:
            inserted = await asyncio.shield(inserting)
        except asyncio.CancelledError:
            self.keep(self._withdraw(inserting, opening))
            raise
        if not inserted:
            # The row of an earlier try may be there all the same.
            self.keep(self._end("give_up_call", {"id": opening.id}))
            raise HandlerStopped(N_("its attempt has ended, so it may call no model"))
        self._open[opening.id] = opening

    async def close(self, ending: Ending) -> None:
        """Write down how a call ended; raises nothing.

        Waits at most 5 seconds, then goes on writing in the background.
        """
        self._open.pop(ending.call.id, None)
        closing = self.keep(self._end("close_call", _columns(self._sealed(ending))))
        await asyncio.wait({closing}, timeout=_CLOSING_SECONDS)

    async def give_up(self, task_id: UUID, attempt: int) -> None:
        """Mark as lost what an attempt that has ended left open; raises nothing.

        Such a call is a stream that nobody read to its end, or one whose thread still runs.
        """
        left = [o.id for o in self._open.values() if (o.task_id, o.attempt) == (task_id, attempt)]
        for id in left:  # noqa: A001 - the column's name
            del self._open[id]
            closing = self.keep(self._end("give_up_call", {"id": id}))
            await asyncio.wait({closing}, timeout=_CLOSING_SECONDS)

    async def drain(self, seconds: float) -> bool:
        """Wait until everything is written, at most so long; whether it was."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=seconds)
        return not self._under_way

    def keep(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Run `work` on its own, so that nobody's cancellation stops it halfway."""
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    def _sealed(self, ending: Ending) -> Ending:
        """The end of a call with what its provider said of an error sealed, if it is to be."""
        call, error = ending.call, ending.error
        if error is None or self._sealer is None:
            return ending
        if not self._sealer.covers(call.agent_name, call.task_type, "error"):
            return ending
        place = Place.in_task("error", call.task_id)
        return replace(ending, error=self._sealer.text(place, error))

    async def _insert(self, opening: Opening) -> bool:
        values = {
            "id": opening.id,
            "task_id": opening.task_id,
            "attempt": opening.attempt,
            "agent_name": opening.agent_name,
            "provider": _fit(opening.provider, 100),
            "model": _fit(opening.model, 200),
        }
        [[inserted]] = await self._connection.insist(self._statements["open_call"], values)
        return bool(inserted)

    async def _withdraw(self, inserting: asyncio.Task[bool], opening: Opening) -> None:
        """Close a row whose call was cancelled while the row was being written."""
        await asyncio.wait({inserting})
        if not inserting.cancelled() and inserting.exception() is None and inserting.result():
            never_made = ending_of(opening, 0.0, Answer(), N_("cancelled before it was made"))
            await self._end("close_call", _columns(never_made))

    async def _end(self, statement: str, values: dict[str, Any]) -> None:
        """Run a statement that ends a call; raises nothing.

        The server can refuse it for a passing reason, such as a deadlock with a rescue.
        """
        for _ in range(_TRIES):
            try:
                await self._connection.insist(self._statements[statement], values)
            except Exception:  # noqa: BLE001 - a handler's result does not depend on it
                _log.exception("the end of call %s was not written", values["id"])
            else:
                return


def ending_of(
    opening: Opening,
    seconds: float,
    answer: Answer,
    error: str | None,
    remark: str | None = None,
) -> Ending:
    """The end of a call, priced. A remark says why less is known than could be."""
    try:
        cost, source = cost_of(opening.provider, opening.model, answer)
    except Exception:  # noqa: BLE001 - a handler's result does not depend on it
        _log.exception("call %s could not be priced", opening.id)
        cost, source = None, "unpriced"
    return Ending(
        call=opening,
        status="ok" if error is None else "error",
        seconds=seconds,
        answer=answer,
        cost_usd=cost,
        cost_source=source,
        error=error or remark,
    )


def _columns(ending: Ending) -> dict[str, Any]:
    """The parameters of close_call."""
    answer, tokens = ending.answer, ending.answer.tokens
    return {
        "id": ending.call.id,
        "task_id": ending.call.task_id,
        "attempt": ending.call.attempt,
        "status": ending.status,
        "duration_seconds": ending.seconds,
        "response_model": _fit(answer.model, 200),
        "response_id": _fit(answer.id, 200),
        "input_tokens": tokens and tokens.input,
        "cache_read_tokens": tokens and tokens.cache_read,
        "cache_write_tokens": tokens and tokens.cache_write,
        "output_tokens": tokens and tokens.output,
        "reasoning_tokens": tokens and tokens.reasoning,
        "cost_usd": ending.cost_usd,
        "cost_source": ending.cost_source,
        "finish_reason": _fit(answer.finish_reason, 100),
        "error_message": ending.error,
    }


def _fit(text: str | None, length: int) -> str | None:
    """The text as a column of that length takes it."""
    return None if text is None else plain_text(text)[:length]
