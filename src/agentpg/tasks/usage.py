"""Calls to language models, as handlers see them.

A row is inserted before a call is made and closed after it has ended; the counters of its
execution move in the same statement, so that they are the sums of the rows at any moment.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from decimal import Decimal
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from uuid_utils.compat import uuid7

from agentpg.errors import CallInLoop, HandlerStopped
from agentpg.language import N_
from agentpg.redaction import SECRETS_ALONE, Redaction
from agentpg.tasks.answers import Answer, read_answer, stated_tokens
from agentpg.tasks.ledger import Ending, Ledger, Opening, ending_of
from agentpg.tasks.model import Claimed
from agentpg.tasks.redaction import error_text

__all__ = ["Ledger", "LlmCall"]

_log = logging.getLogger("agentpg.usage")

# How often a sync handler that waits for the database looks whether it must stop.
_LOOK_SECONDS = 0.2


class LlmCall:
    """One call to a language model, as a context manager around it.

    `async with` in async handlers, `with` in sync ones. Say within it what came back, by
    `answer` or by `usage`; without that the tokens stay unknown. An exception is recorded
    and passes through.
    """

    def __init__(
        self,
        ledger: Ledger,
        task: Claimed,
        loop: asyncio.AbstractEventLoop,
        *,
        provider: str,
        model: str,
        check: Callable[[], None] | None = None,
        redaction: Redaction = SECRETS_ALONE,
    ) -> None:
        self.id: UUID = uuid7()
        self._ledger = ledger
        self._loop = loop
        self._check = check or _go_on
        self._answer = Answer()
        self._remark: str | None = None
        self._secrets: tuple[str, ...] = ()
        self._redaction = redaction
        self._started: float | None = None
        self._ended = False
        self._opening = Opening(
            id=self.id,
            task_id=task.id,
            attempt=task.attempt,
            agent_name=task.agent_name,
            task_type=task.task_type,
            provider=provider,
            model=model,
        )

    def answer(self, response: Any) -> None:
        """Read tokens, model, id and finish reason from a provider's response.

        Takes the objects of the `openai` and `anthropic` clients, the same as dicts, and
        whatever else has their form.
        """
        try:
            self._answer = response if isinstance(response, Answer) else read_answer(response)
        except Exception:  # noqa: BLE001 - it may be any object
            _log.exception("the answer to call %s was not understood", self.id)

    def usage(
        self,
        *,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cache_read_tokens: int | None = None,
        cache_write_tokens: int | None = None,
        reasoning_tokens: int | None = None,
        cost_usd: Decimal | float | str | None = None,
        response_model: str | None = None,
        response_id: str | None = None,
        finish_reason: str | None = None,
    ) -> None:
        """Say what a call of any other provider used.

        `input_tokens` includes the cached ones, `output_tokens` the reasoning; figures that
        contradict this are stored as unknown, with a warning in the log. `cost_usd` is what
        the provider itself charges, in US dollars; without it the price list is asked.
        """
        tokens = stated_tokens(
            input=input_tokens,
            output=output_tokens,
            cache_read=cache_read_tokens,
            cache_write=cache_write_tokens,
            reasoning=reasoning_tokens,
        )
        self._answer = Answer(
            tokens=tokens,
            model=response_model,
            id=response_id,
            finish_reason=finish_reason,
            cost_usd=cost_usd,
        )

    def remark(self, text: str) -> None:
        """Say why less is known than could be, such as a stream that was closed early."""
        self._remark = text

    def hide(self, *secrets: str) -> None:
        """Texts that must not appear in the record of an error."""
        self._secrets = secrets

    async def start(self) -> None:
        """Write down that the call starts, from an async handler; see Ledger.open."""
        self._begin()
        await self._in_loop(self._ledger.open(self._opening))
        self._started = time.perf_counter()

    async def end(self, error: BaseException | None) -> None:
        """Write down how the call ended; only the first end counts."""
        if self._ends():
            try:
                await self._in_loop(self._ledger.close(self._ending(error)))
            except HandlerStopped:
                self._say_not_written()

    def start_blocking(self) -> None:
        """The same as start, from the thread of a sync handler."""
        if self._is_loop_thread():
            raise CallInLoop
        self._begin()
        self._from_thread(self._ledger.open(self._opening), self._check)
        self._started = time.perf_counter()

    def end_blocking(self, error: BaseException | None) -> None:
        """The same as end, from any thread."""
        if not self._ends():
            return
        closing = self._ledger.close(self._ending(error))
        if self._is_loop_thread():
            # A stream can be closed by the garbage collector, in whatever thread it runs.
            self._ledger.keep(closing)
            return
        try:
            self._from_thread(closing, _go_on)
        except HandlerStopped:
            self._say_not_written()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.end(error)

    def __enter__(self) -> Self:
        self.start_blocking()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end_blocking(error)

    def _begin(self) -> None:
        if self._started is not None:
            raise RuntimeError("this call has been made; each one needs an llm_call of its own")
        self._started = time.perf_counter()

    def _ends(self) -> bool:
        """Whether this is the first end; a stream can be closed more than once."""
        first = not self._ended
        self._ended = True
        return first

    def _ending(self, error: BaseException | None) -> Ending:
        # A generator that is closed has been left, which is no error.
        failed = error is not None and not isinstance(error, GeneratorExit)
        text = None
        if error is not None and failed:
            text = error_text(error, *self._secrets, redaction=self._redaction)
        seconds = time.perf_counter() - (self._started or 0.0)
        return ending_of(self._opening, seconds, self._answer, text, self._remark)

    def _is_loop_thread(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    async def _in_loop(self, work: Coroutine[Any, Any, None]) -> None:
        """Await `work` in the ledger's loop, from that one or from a handler's own."""
        if self._is_loop_thread():
            await work
        else:
            await asyncio.wrap_future(self._submit(work))

    def _from_thread(self, work: Coroutine[Any, Any, None], check: Callable[[], None]) -> None:
        future = self._submit(work)
        while True:
            try:
                return future.result(_LOOK_SECONDS)
            except TimeoutError:
                if future.done():
                    raise
            try:
                check()
            except BaseException:
                future.cancel()
                raise

    def _say_not_written(self) -> None:
        _log.warning("the end of call %s was not written: the worker has stopped", self.id)

    def _submit(self, work: Coroutine[Any, Any, None]) -> Future[None]:
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:
            work.close()
            raise HandlerStopped(N_("its worker has stopped")) from None


def _go_on() -> None:
    """Nothing asks a call to stop."""
