"""One attempt in a child process: a suspect's, or one of a handler that runs in processes.

A worker that died took all its tasks with it, and one of them may be the cause. Each is
tried once more by itself: if its process dies again, the crash is its own. A handler that
keeps a processor busy runs there too: a process can be ended from outside, a thread cannot.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from typing import Any

from agentpg.tasks.child import Answer, Begun, Stop, Told, Work
from agentpg.tasks.children import Child, Children, Died
from agentpg.tasks.handlers import Handler
from agentpg.tasks.journal import Telling
from agentpg.tasks.model import Claimed, Outcome, Verdict
from agentpg.tasks.pace import until

# A handler that was told to stop and does not is killed with its process: soon where it was
# made for one, after the usual time to tidy up where it runs there as a suspect.
_SECONDS_TO_NOTICE = 2.0
_SECONDS_TO_OBEY = 10.0

# The pause before a task is handed back that no process could be had for.
_SECONDS_WITHOUT_PROCESS = 1.0

# A child that dies before it takes up the work is replaced so often.
_TRIES = 3


class Alone:
    """One attempt in a child process; the same face as Attempt has for its worker."""

    def __init__(
        self,
        handler: Handler,
        task: Claimed,
        children: Children,
        page: Callable[[], Telling],
    ) -> None:
        self.task = task
        self._handler = handler
        self._children = children
        self._open_page = page
        self._page: Telling | None = None
        self._child: Child | None = None
        self._stopped: Stop | None = None
        self._told = asyncio.Event()
        self._begun = asyncio.Event()
        self._started = time.perf_counter()

    async def verdict(self, slot: asyncio.Task[Any] | None = None) -> Verdict:
        """Run the attempt in a child; the death of the child is a verdict too."""
        del slot
        try:
            for _ in range(_TRIES):
                outcome = await self._try()
                if self._page is not None:
                    await self._page.close()
                if self._stopped or not isinstance(outcome, Died) or outcome.begun:
                    return self._verdict(outcome)
        except Exception as error:  # noqa: BLE001 - no process to be had is no fault of the task
            return await self._without_process(str(error))
        return await self._without_process("it dies before it takes up the work")

    def stop(self, outcome: Outcome, reason: str) -> None:
        """Interrupt the handler in the child; the first reason counts."""
        if self._stopped is None:
            self._stopped = Stop(outcome, reason)
            self._told.set()
            if self._begun.is_set():
                self._pass_on()

    async def thread_ended(self) -> None:
        """Nothing of an attempt outlives its child."""

    @property
    def was_stopped(self) -> bool:
        """A child's interruption leaves its worker's own tasks alone."""
        return False

    async def _try(self) -> Answer | Died | None:
        """The child's answer or death; None if the attempt was stopped first."""
        child = await self._borrow()
        if child is None:
            return None
        outcome = None
        try:
            outcome = await self._outcome(child)
        finally:
            self._child = None
            usable = isinstance(outcome, Answer) and not outcome.spent
            self._children.take_back(child, usable=usable)
        return outcome

    async def _borrow(self) -> Child | None:
        """A child, as soon as one is free; None if the attempt is stopped meanwhile."""
        lending = asyncio.ensure_future(self._children.lend(self._handler, fresh=self.task.suspect))
        try:
            await until(self._told, tasks=[lending])
        finally:
            if not lending.done():
                lending.cancel()
        if not lending.done():
            return None
        self._child = lending.result()
        return self._child

    async def _outcome(self, child: Child) -> Answer | Died | None:
        """What came of the work; None if it had to be ended by force."""
        self._begun.clear()
        self._started = time.perf_counter()
        working = asyncio.ensure_future(child.run(Work(self._handler, self.task), self._heard))
        try:
            await until(self._told, self._begun, tasks=[working])
            if self._begun.is_set():
                await until(self._told, tasks=[working], seconds=self._longest())
            if not working.done() and self._stopped is None:
                self._stopped = Stop(Outcome.TIMED_OUT, self._handler.too_long)
            elif not working.done():
                await until(tasks=[working], seconds=self._patience())
        finally:
            if not working.done():
                working.cancel()
        return working.result() if working.done() else None

    def _longest(self) -> float | None:
        """Seconds after which the handler is ended by force, if it has a time-out.

        Its own process ends it in time, unless the handler keeps the interpreter to itself.
        """
        timeout = self._handler.timeout
        return None if timeout is None else timeout.total_seconds() + self._patience()

    def _patience(self) -> float:
        return _SECONDS_TO_NOTICE if self._handler.runs_in == "process" else _SECONDS_TO_OBEY

    def _heard(self, message: Begun | Told) -> None:
        """The child says something before its answer."""
        if isinstance(message, Begun):
            self._has_begun()
            return
        self._page = self._page or self._open_page()
        message.tell(self._page)

    def _has_begun(self) -> None:
        self._begun.set()
        if self._stopped is not None:
            self._pass_on()

    def _pass_on(self) -> None:
        if self._child is not None and self._stopped is not None:
            self._child.stop(self._stopped)

    def _verdict(self, outcome: Answer | Died | None) -> Verdict:
        if isinstance(outcome, Answer):
            return outcome.verdict
        seconds = time.perf_counter() - self._started
        if self._stopped is not None:
            return Verdict(self._stopped.outcome, error=self._stopped.reason, seconds=seconds)
        exit_code = outcome.exit_code if outcome is not None else None
        died = f"its process {_how_it_ended(exit_code)}"
        return Verdict(Outcome.LOST, error=died, seconds=seconds)

    async def _without_process(self, reason: str) -> Verdict:
        """Hand the task back: that there is no process for it is not its fault."""
        await until(self._told, seconds=_SECONDS_WITHOUT_PROCESS)
        if self._stopped is not None:
            return Verdict(self._stopped.outcome, error=self._stopped.reason)
        return Verdict(Outcome.RELEASED, error=f"no process for it: {reason}")


def _how_it_ended(exit_code: int | None) -> str:
    """An exit code in words.

    >>> _how_it_ended(-9)
    'was killed by signal 9 (SIGKILL)'
    >>> _how_it_ended(3)
    'ended with exit code 3'
    """
    if exit_code is not None and exit_code < 0:
        try:
            return f"was killed by signal {-exit_code} ({signal.Signals(-exit_code).name})"
        except ValueError:
            return f"was killed by signal {-exit_code}"
    return f"ended with exit code {exit_code}"
