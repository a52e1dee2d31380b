"""Running a suspect in a child process of its own, watched by its worker.

A worker that died took all its tasks with it, and one of them may be the cause. Each is
tried once more by itself: if its process dies again, the crash is its own.

The children are forked from a server process that has imported the handlers and does
nothing else, so starting one takes milliseconds. A handler that cannot be imported by its
name (one defined inside a function) is forked from the worker itself.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import pickle
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

from agentpg.db import Database, SteadyConnection
from agentpg.settings import Settings
from agentpg.tasks.attempt import Attempt
from agentpg.tasks.handlers import App, Handler
from agentpg.tasks.model import Claimed, Outcome, Verdict
from agentpg.tasks.pace import until
from agentpg.tasks.run import Run
from agentpg.tasks.usage import Ledger

# A child that was told to stop and does not is ended by force.
_SECONDS_TO_OBEY = 10.0

# The pause before a suspect is handed back that no process could be had for.
_SECONDS_WITHOUT_PROCESS = 1.0


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What a child needs to run one attempt."""

    handler: Handler
    task: Claimed
    settings: Settings
    database: Database


def prepare_children(app: App) -> None:
    """Have the modules of these handlers imported once, before the first child."""
    modules = {handler.function.__module__ for handler in app}
    multiprocessing.set_forkserver_preload(sorted(modules | {__name__}))


class Alone:
    """One attempt in a child process; the same face as Attempt has for its worker."""

    def __init__(self, suspicion: Suspicion) -> None:
        self.task = suspicion.task
        self._suspicion = suspicion
        self._pipe: Connection | None = None
        self._stopped: tuple[Outcome, str] | None = None
        self._told = asyncio.Event()

    async def verdict(self, slot: asyncio.Task[Any] | None = None) -> Verdict:
        """Run the attempt in its child; the death of the child is a verdict too."""
        del slot
        started = time.perf_counter()
        try:
            process, pipe = await asyncio.to_thread(_start_child, self._suspicion)
        except Exception as error:  # noqa: BLE001 - no process to be had is no fault of the task
            await asyncio.sleep(_SECONDS_WITHOUT_PROCESS)
            return Verdict(outcome=Outcome.RELEASED, error=f"no process for it: {error}")
        self._pipe = pipe
        if self._stopped is not None:
            self.stop(*self._stopped)
        try:
            answer = await self._answer(process, pipe)
        finally:
            pipe.close()
        return answer or self._died(process.exitcode, time.perf_counter() - started)

    def stop(self, outcome: Outcome, reason: str) -> None:
        """Interrupt the handler in the child."""
        self._stopped = (outcome, reason)
        self._told.set()
        if self._pipe is not None:
            try:
                self._pipe.send((outcome, reason))
            except (OSError, ValueError):
                return  # the child has ended; its verdict says how

    async def thread_ended(self) -> None:
        """Nothing of a child outlives it."""

    @property
    def was_stopped(self) -> bool:
        """A child's interruption leaves its worker's own tasks alone."""
        return False

    async def _answer(self, process: BaseProcess, pipe: Connection) -> Verdict | None:
        """The child's verdict, or None if it died without one."""
        loop, readable = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(pipe.fileno(), readable.set)
        try:
            await until(readable, self._told)
            if not readable.is_set():
                await until(readable, seconds=_SECONDS_TO_OBEY)
        finally:
            loop.remove_reader(pipe.fileno())
        answer = _received(pipe) if readable.is_set() else None
        if answer is None:
            process.kill()
            await asyncio.to_thread(process.join)
        return answer

    def _died(self, exit_code: int | None, seconds: float) -> Verdict:
        if self._stopped is not None:
            return Verdict(outcome=self._stopped[0], error=self._stopped[1], seconds=seconds)
        return Verdict(
            outcome=Outcome.LOST, error=f"its process {_how_it_ended(exit_code)}", seconds=seconds
        )


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


def _received(pipe: Connection) -> Verdict | None:
    try:
        answer: Verdict = pipe.recv()
    except (EOFError, OSError):
        return None
    return answer


def _start_child(suspicion: Suspicion) -> tuple[BaseProcess, Connection]:
    context = _context_for(suspicion.handler)
    ours, theirs = context.Pipe()
    parent = os.getpid() if context.get_start_method() == "fork" else None
    process = context.Process(  # type: ignore[attr-defined]
        target=_child,
        args=(theirs, suspicion, parent),
        name=f"task {suspicion.task.id}",
        daemon=True,
    )
    process.start()
    theirs.close()
    return process, ours


def _context_for(handler: Handler) -> BaseContext:
    try:
        pickle.dumps(handler)
    except (pickle.PicklingError, AttributeError, TypeError):
        return multiprocessing.get_context("fork")
    return multiprocessing.get_context("forkserver")


def _child(pipe: Connection, suspicion: Suspicion, parent: int | None) -> None:
    """The child's whole life: one attempt, one verdict."""
    # A Ctrl-C, or the end of a service, reaches every process: the worker tells us what to do.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave_to_worker)
    # Not asyncio.run, which would wait for tasks that the handler left behind.
    verdict = asyncio.new_event_loop().run_until_complete(_attempt(pipe, suspicion, parent))
    with suppress(OSError):  # the worker died first
        pipe.send(verdict)
        pipe.close()
    # A thread of a sync handler that hangs must not keep the process.
    os._exit(0)


def _leave_to_worker(number: int, frame: FrameType | None) -> None:
    """Do nothing. Ignoring the signal would make the programs that a handler starts deaf too."""


async def _attempt(pipe: Connection, suspicion: Suspicion, parent: int | None) -> Verdict:
    loop = asyncio.get_running_loop()
    task, database = suspicion.task, suspicion.database
    connection = SteadyConnection(database, f"agentpg alone {task.agent_name} {task.id}")
    ledger = Ledger(connection, database.schema)
    run = Run(
        task,
        settings=suspicion.settings,
        database=database,
        ledger=ledger,
        loop=loop,
    )
    attempt = Attempt(suspicion.handler, task, run, suspicion.settings.result_limit)
    threading.Thread(target=_obey, args=(pipe, loop, attempt, parent), daemon=True).start()
    try:
        return await attempt.verdict()
    finally:
        await ledger.drain(_SECONDS_TO_OBEY)
        await connection.close()


def _obey(
    pipe: Connection, loop: asyncio.AbstractEventLoop, attempt: Attempt, parent: int | None
) -> None:
    """Stop the attempt when the worker says so; end with the worker when it dies."""
    while True:
        try:
            if pipe.poll(1.0):
                order: tuple[Any, ...] = pipe.recv()
                loop.call_soon_threadsafe(attempt.stop, *order)
        except (EOFError, OSError):
            os._exit(1)
        if parent is not None and os.getppid() != parent:
            os._exit(1)
