"""The life of one attempt: call the handler, and turn whatever comes into a verdict.

Nothing is written here. `decide` says where the verdict takes the task.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from agentpg.errors import AgentpgError, HandlerStopped
from agentpg.redaction import redaction_of
from agentpg.tasks.encoding import encode_result
from agentpg.tasks.handlers import Handler, Permanent
from agentpg.tasks.model import Claimed, Outcome, Settlement, TaskStatus, Verdict
from agentpg.tasks.redaction import without_secrets
from agentpg.tasks.retry import CRASHES_TO_QUARANTINE, LOSSES_TO_QUARANTINE
from agentpg.tasks.run import Run

_ERROR_LENGTH = 10_000

# How long a cancelled handler may tidy up before it is left behind.
_SECONDS_TO_OBEY = 10.0


class Stopped(Exception):
    """Why an attempt was interrupted: cancelled, timed out or released."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


class Escaped(Exception):
    """An exception that a handler must not send further, such as SystemExit."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(_text_of(error))
        self.error = error

    def sentence(self) -> str:
        """What the handler did."""
        if isinstance(self.error, asyncio.CancelledError):
            return "the handler cancelled itself"
        if isinstance(self.error, SystemExit):
            return f"the handler called sys.exit({self.error.code!r})"
        return _described(self.error)


class Attempt:
    """One handler under way, which can be stopped from outside."""

    def __init__(self, handler: Handler, task: Claimed, run: Run, result_limit: int) -> None:
        self.handler = handler
        self.task = task
        self.run = run
        self._result_limit = result_limit
        self._stopped: Stopped | None = None
        self._working: asyncio.Future[Any] | None = None
        self._thread: asyncio.Event | None = None

    async def verdict(self, slot: asyncio.Task[Any] | None = None) -> Verdict:
        """Run the handler to its end and say what came of it; raises nothing.

        `slot` is the asyncio task that awaits this, if it is known: asyncio finds it by a
        system call.
        """
        started = time.perf_counter()
        outcome, result, error, _, permanent = await self._call(slot or this_task())
        seconds = time.perf_counter() - started
        if self.run.needs_closing:
            await self.run.close()
        if error is not None:
            redaction = redaction_of(self.run.settings)
            error = without_secrets(error, longest=_ERROR_LENGTH, redaction=redaction)
        return Verdict(outcome, result, error, seconds, permanent)

    @property
    def was_stopped(self) -> bool:
        """Whether it was interrupted, so that its asyncio task is used up."""
        return self._stopped is not None

    @property
    def left_a_thread(self) -> bool:
        """Whether the thread of a sync handler still runs, which outlived its time-out."""
        return self._thread is not None and not self._thread.is_set()

    def stop(self, outcome: Outcome, reason: str) -> None:
        """Interrupt the handler; the first reason counts."""
        if self._stopped is None:
            self._stopped = Stopped(outcome, reason)
            self.run.stop(reason)
            if self._working is not None and self._breaks_off(outcome):
                self._working.cancel()

    def _breaks_off(self, outcome: Outcome) -> bool:
        """Whether the handler is cancelled. A thread cannot be: it is told through its run,
        and waited for unless its time is over or the process is about to end."""
        return self.handler.is_async or outcome is not Outcome.CANCELLED

    async def thread_ended(self) -> None:
        """Wait for the thread of a sync handler, which outlives its time-out."""
        if self._thread is not None:
            await self._thread.wait()

    async def _call(self, slot: asyncio.Task[Any]) -> Verdict:
        try:
            given, named = self.handler.arguments(self.task.payload)
            if self.handler.is_async and self.handler.timeout is None:
                return await self._inline(slot, given, named)
            self._working = asyncio.ensure_future(self._start(given, named))
            if self._stopped is not None and self._breaks_off(self._stopped.outcome):
                self._working.cancel()
            return self._returned(await self._within_its_time(self._working))
        except Stopped as stopped:
            return Verdict(outcome=stopped.outcome, error=stopped.reason)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - a handler may raise anything at all
            return raised(error)

    async def _inline(
        self, slot: asyncio.Task[Any], given: tuple[Any, ...], named: dict[str, Any]
    ) -> Verdict:
        """Run an async handler without a time-out in the slot's own task.

        That saves making two tasks for each attempt. An interruption cancels the slot's
        task, so it must not be used for another attempt after one.
        """
        self._working = slot
        try:
            if self._stopped is not None:
                raise self._stopped
            return self._returned(await self.handler.function(self.run, *given, **named))
        except asyncio.CancelledError:
            raise (self._stopped or Escaped(asyncio.CancelledError())) from None
        except HandlerStopped:
            if self._stopped is None:
                raise
            raise self._stopped from None
        except (SystemExit, KeyboardInterrupt) as error:
            raise Escaped(error) from None
        finally:
            self._working = None
            if self._stopped is not None or slot.cancelling():
                await _absorb_cancellation()

    async def _within_its_time(self, working: asyncio.Future[Any]) -> Any:
        """The handler's result, or Stopped when it was interrupted or its time was over.

        A handler that swallows its cancellation and returns late is still out of time.
        """
        timeout = self.handler.timeout
        seconds = None if timeout is None else timeout.total_seconds()
        done, _ = await asyncio.wait([working], timeout=seconds)
        if not done:
            self.stop(Outcome.TIMED_OUT, self.handler.too_long)
            done, _ = await asyncio.wait([working], timeout=_SECONDS_TO_OBEY)
        if self._stopped is not None and (not done or self._overruled(working)):
            raise self._stopped
        if working.cancelled():
            raise Escaped(asyncio.CancelledError())
        return working.result()

    def _overruled(self, working: asyncio.Future[Any]) -> bool:
        """Whether the interruption counts although the handler ended by itself.

        Work that was done before a cancellation reached it is kept; a time-out is one.
        """
        if working.cancelled() or self._stopped_for(Outcome.TIMED_OUT):
            return True
        return isinstance(working.exception(), HandlerStopped)

    def _stopped_for(self, outcome: Outcome) -> bool:
        return self._stopped is not None and self._stopped.outcome is outcome

    def _start(self, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        def call() -> Any:
            return self.handler.function(self.run, *given, **named)

        return _tamed(call) if self.handler.is_async else self._in_thread(call)

    async def _in_thread(self, call: Callable[[], Any]) -> Any:
        """Run a sync handler in a thread of its own.

        Not in a pool: a pool's threads are waited for when the interpreter exits, and a
        handler that hangs would hold up the end of the worker.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        context = contextvars.copy_context()
        ended = self._thread = asyncio.Event()

        def work() -> None:
            try:
                value, error = context.run(call), None
            except Exception as raised_here:  # noqa: BLE001 - a handler may raise anything
                value, error = None, raised_here
            except BaseException as escaping:  # noqa: BLE001
                value, error = None, Escaped(escaping)
            if not loop.is_closed():
                loop.call_soon_threadsafe(deliver, value, error)

        def deliver(value: Any, error: Exception | None) -> None:
            ended.set()
            if future.done():
                return
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(_settable(error))

        threading.Thread(target=work, name=f"task-{self.task.id}", daemon=True).start()
        return await future

    def _returned(self, result: Any) -> Verdict:
        return Verdict(Outcome.COMPLETED, encode_result(result, self._result_limit))


def this_task() -> asyncio.Task[Any]:
    """The asyncio task that runs now."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine of a loop runs in a task
    return task


def raised(error: BaseException) -> Verdict:
    """The verdict for an exception that came out of a handler."""
    match error:
        case Escaped():
            return Verdict(outcome=Outcome.FAILED, error=error.sentence())
        case Permanent():
            return Verdict(outcome=Outcome.FAILED, error=_text_of(error), permanent=True)
        case AgentpgError():
            return Verdict(outcome=Outcome.FAILED, error=_text_of(error))
    return Verdict(outcome=Outcome.FAILED, error=_described(error))


def _described(error: BaseException) -> str:
    """The kind of an exception and what it says, if it says anything."""
    text = _text_of(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a handler's own class may fail at this too
        return "it cannot say why"


def decide(task: Claimed, handler: Handler, verdict: Verdict) -> Settlement:
    """Where a verdict takes its task."""
    if verdict.outcome is Outcome.COMPLETED:
        return _completed(task, verdict)
    if verdict.outcome is Outcome.RELEASED:
        return released(task.id, task.attempt, verdict.error, verdict.seconds)
    max_attempts = task.max_attempts or handler.max_attempts
    failed = verdict.outcome in (Outcome.FAILED, Outcome.TIMED_OUT)
    lost = verdict.outcome is Outcome.LOST
    errors = task.errors + failed
    status, error = _next(task, verdict, errors, max_attempts)
    return Settlement(
        id=task.id,
        attempt=task.attempt,
        status=status,
        outcome=verdict.outcome,
        result=verdict.result,
        error=error,
        attempt_error=verdict.error,
        seconds=verdict.seconds,
        delay_seconds=_delay(task, handler, verdict, errors),
        errors=int(failed),
        crashes=int(lost),
        # A stricter handler must not contradict the failures that were counted already.
        max_attempts=max(max_attempts, errors),
        suspect=lost,
    )


def _completed(task: Claimed, verdict: Verdict) -> Settlement:
    """What nearly all settlements are; in order, since naming the fields costs as much again."""
    status, outcome = TaskStatus.COMPLETED, Outcome.COMPLETED
    written = (verdict.result, None, None, verdict.seconds)
    return Settlement(task.id, task.attempt, status, outcome, *written, 0.0, 0, 0, None, False)


def released(
    task_id: UUID, attempt: int, reason: str | None, seconds: float | None = None
) -> Settlement:
    """The settlement that hands a task back as if it had not been claimed."""
    return Settlement(
        id=task_id,
        attempt=attempt,
        status=TaskStatus.PENDING,
        outcome=Outcome.RELEASED,
        result=None,
        error=reason,
        attempt_error=reason,
        seconds=seconds,
        delay_seconds=0.0,
        errors=0,
        crashes=0,
        max_attempts=None,
        suspect=None,
    )


def _next(
    task: Claimed, verdict: Verdict, errors: int, max_attempts: int
) -> tuple[TaskStatus, str | None]:
    match verdict.outcome:
        case Outcome.CANCELLED:
            return TaskStatus.CANCELLED, verdict.error
        case Outcome.LOST:
            return _after_a_crash(task, verdict)
    ended = verdict.permanent or errors >= max_attempts
    return (TaskStatus.FAILED if ended else TaskStatus.PENDING), verdict.error


def _after_a_crash(task: Claimed, verdict: Verdict) -> tuple[TaskStatus, str | None]:
    crashes, losses = task.crashes + 1, task.losses + 1
    if task.on_crash == "fail":
        return TaskStatus.FAILED, f"{verdict.error}; it must not run twice (on_crash = fail)"
    if crashes >= CRASHES_TO_QUARANTINE or losses >= LOSSES_TO_QUARANTINE:
        return TaskStatus.FAILED, (
            f"quarantined after {crashes} crashes and {losses} lost executions; "
            f"the last one: {verdict.error}"
        )
    return TaskStatus.PENDING, verdict.error


def _delay(task: Claimed, handler: Handler, verdict: Verdict, errors: int) -> float:
    if verdict.outcome in (Outcome.FAILED, Outcome.TIMED_OUT):
        return handler.backoff.seconds(errors)
    if verdict.outcome is Outcome.LOST:
        return handler.backoff.seconds(task.crashes + 1)
    return 0.0


async def _tamed(call: Callable[[], Awaitable[Any]]) -> Any:
    """Let no exit out of a handler's task: asyncio would end the whole worker with it."""
    try:
        return await call()
    except (SystemExit, KeyboardInterrupt) as error:
        raise Escaped(error) from None


async def _absorb_cancellation() -> None:
    """Take a cancellation that came as the handler had just ended."""
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        return


def _settable(error: Exception) -> Exception:
    """The error as a future takes it: StopIteration would end the coroutine around it."""
    return Escaped(error) if isinstance(error, StopIteration) else error
