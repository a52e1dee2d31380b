"""The child processes of a worker: started as they are needed, and used again.

The children are forked from a server process that has imported the handlers and does
nothing else, so starting one takes milliseconds. A handler that cannot be imported by its
name (one defined inside a function) is forked from the worker itself when it is suspect.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import pickle
import queue
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any

from agentpg.db import Database
from agentpg.errors import HandlerNotImportable
from agentpg.language import N_
from agentpg.settings import Settings
from agentpg.tasks import child
from agentpg.tasks.child import Answer, Begun, Stop, Surroundings, Told, Work
from agentpg.tasks.handlers import App, Handler
from agentpg.tasks.pace import until

_log = logging.getLogger("agentpg.worker")

_NAME = "agentpg child"

# A process that was killed is waited for so long.
_SECONDS_TO_DIE = 5.0

# A child that was dismissed has so long to close its connection.
_SECONDS_TO_LEAVE = 2.0


def refuse_to_start_again() -> None:
    """Raise RuntimeError in a child that reads the script that was started and would start it
    once more."""
    if multiprocessing.current_process().name == _NAME:
        raise RuntimeError(
            "this script runs again in a child process: start its work below "
            'if __name__ == "__main__":'
        )


def prepare_children(app: App) -> None:
    """Have the modules of these handlers imported once, before the first child.

    Raises HandlerNotImportable for a handler that is to run in a process and cannot.
    """
    for handler in app:
        if handler.runs_in == "process" and not _is_importable(handler):
            raise HandlerNotImportable(
                N_("its module has something else under that name"),
                function=f"{handler.function.__module__}.{handler.function.__qualname__}",
                agent_name=handler.agent_name,
                task_type=handler.task_type,
            )
    refuse_to_start_again()
    modules = {handler.function.__module__ for handler in app}
    # Each child imports the main module again, so what that has of ours must be there too.
    ours = {name for name in sys.modules if name.startswith("agentpg.")}
    multiprocessing.set_forkserver_preload(sorted(modules | ours))


@dataclass(frozen=True, slots=True)
class Died:
    """A child ended without an answer; `begun` tells whether it had taken up the work."""

    exit_code: int | None
    begun: bool


class Children:
    """The children of one worker.

    Handlers that run in processes have at most `limit` of them at a time; others wait.
    Suspects each have a new one to themselves.
    """

    def __init__(self, settings: Settings, database: Database, limit: int) -> None:
        self._surroundings = Surroundings(settings, database, _log_levels())
        self._most_tasks = settings.tasks_per_child
        self._room = asyncio.Semaphore(limit)
        self._idle: list[Child] = []
        self._alive: set[Child] = set()

    async def lend(self, handler: Handler, *, fresh: bool) -> Child:
        """A child for one attempt, a new one if `fresh`; give it back by `take_back`.

        Raises whatever keeps a process from being started.
        """
        limited = handler.runs_in == "process"
        if limited:
            await self._room.acquire()
        try:
            return await self._find(handler, fresh=fresh, limited=limited)
        except BaseException:
            if limited:
                self._room.release()
            raise

    def take_back(self, lent: Child, *, usable: bool) -> None:
        """The attempt has ended; a child that is not `usable` is killed."""
        if not usable:
            lent.kill()
        elif lent.single_use or lent.tasks == self._most_tasks:
            lent.dismiss()
        else:
            self._idle.append(lent)
        if lent.limited:
            self._room.release()

    async def close(self) -> None:
        """End all children, and wait for their ends."""
        for one in self._alive:
            if one in self._idle:
                one.dismiss()
            else:
                one.kill()
        for one in self._alive:
            await until(one.ended, seconds=_SECONDS_TO_DIE)
        self._idle.clear()

    async def _find(self, handler: Handler, *, fresh: bool, limited: bool) -> Child:
        if limited and self._idle:
            used = self._idle.pop()
            if not fresh:
                return used
            used.dismiss()
        started = Child(handler, self._surroundings, single_use=fresh, limited=limited)
        self._alive = {one for one in self._alive if not one.ended.is_set()} | {started}
        await started.ready()
        return started


class Child:
    """One child process, seen from its worker. All methods are for the event loop.

    A thread of its own talks to it, since a pipe can block for as long as a child likes.
    """

    def __init__(
        self, handler: Handler, surroundings: Surroundings, *, single_use: bool, limited: bool
    ) -> None:
        self.single_use = single_use
        self.limited = limited
        self.tasks = 0
        self.ended = asyncio.Event()
        self._inherited = None if _is_importable(handler) else handler
        self._surroundings = surroundings
        self._loop = asyncio.get_running_loop()
        self._started: asyncio.Future[None] = self._loop.create_future()
        self._answer: asyncio.Future[Answer | Died] | None = None
        self._hear: Callable[[Begun | Told], None] | None = None
        self._inbox: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._sending = threading.Lock()
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._killed = False
        threading.Thread(target=self._converse, name="agentpg-child", daemon=True).start()

    async def ready(self) -> None:
        """Wait for its start. Raises whatever kept it from starting."""
        try:
            await asyncio.shield(self._started)
        except asyncio.CancelledError:
            self.kill()
            raise

    async def run(self, work: Work, hear: Callable[[Begun | Told], None]) -> Answer | Died:
        """Have the work done; `hear` is called with what is said before the answer."""
        self.tasks += 1
        self._answer = self._loop.create_future()
        self._hear = hear
        handler = None if self._inherited else work.handler
        self._inbox.put(work._replace(handler=handler))
        return await self._answer

    def stop(self, order: Stop) -> None:
        """Interrupt the attempt that it has begun."""
        try:
            self._send(order)
        except OSError:
            return  # it has ended; its answer says how

    def kill(self) -> None:
        """End it at once."""
        self._killed = True
        if self._process is not None:
            self._process.kill()
        self._inbox.put(None)

    def dismiss(self) -> None:
        """Let it end by itself: it has no work."""
        self._inbox.put(None)

    # What follows runs in the thread

    def _converse(self) -> None:
        try:
            self._process, self._pipe, lifeline = _start(self._surroundings, self._inherited)
        except Exception as error:  # noqa: BLE001 - the worker goes on without this child
            self._tell(self._not_started, error)
            return
        if self._killed:
            self._process.kill()
        self._tell(self._has_started)
        while (work := self._inbox.get()) is not None:
            outcome = self._work(work)
            self._tell(self._answered, outcome)
            if isinstance(outcome, Died):
                break
        else:
            self._part(self._process, self._pipe)
        self._pipe.close()
        lifeline.close()
        self._tell(self.ended.set)

    def _work(self, work: Work) -> Answer | Died:
        assert self._pipe is not None and self._process is not None  # noqa: S101, PT018
        begun = False
        try:
            self._send(work)
            while not isinstance(message := self._pipe.recv(), Answer):
                begun = begun or isinstance(message, Begun)
                if isinstance(message, logging.LogRecord):
                    # Where the worker's own lines go.
                    logging.getLogger(message.name).handle(message)
                else:
                    self._tell(self._has_heard, message)
        except Exception:  # noqa: BLE001 - whatever came, no more work can be given to it
            self._process.kill()
            self._process.join()
            return Died(self._process.exitcode, begun)
        return message

    def _send(self, message: object) -> None:
        assert self._pipe is not None  # noqa: S101 - it was opened before any order
        with self._sending:
            self._pipe.send(message)

    def _part(self, process: BaseProcess, pipe: Connection) -> None:
        """Let the child close its connection, and see that it ends."""
        if not self._killed:
            try:
                pipe.send(None)
            except OSError:
                self._killed = True
            process.join(_SECONDS_TO_LEAVE)
        process.kill()
        process.join()

    def _tell(self, call: Callable[..., object], *arguments: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *arguments)

    # What the thread tells the event loop

    def _has_started(self) -> None:
        if not self._started.done():
            self._started.set_result(None)

    def _not_started(self, error: Exception) -> None:
        self.ended.set()
        if not self._started.done():
            self._started.set_exception(error)

    def _has_heard(self, message: Begun | Told) -> None:
        if self._hear is not None:
            self._hear(message)

    def _answered(self, outcome: Answer | Died) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(outcome)


def _start(
    surroundings: Surroundings, inherited: Handler | None
) -> tuple[BaseProcess, Connection, Connection]:
    """Start a process: it, the pipe to it, and the lifeline that ends it when it ends."""
    context = _context("forkserver" if inherited is None else "fork")
    ours, theirs = context.Pipe()
    watched, held = context.Pipe(duplex=False)
    process = context.Process(
        target=child.live,
        args=(theirs, watched if inherited is None else None, surroundings, inherited),
        name=_NAME,
        daemon=True,
    )
    try:
        process.start()
    except BaseException:
        ours.close()
        held.close()
        raise
    finally:
        theirs.close()
        watched.close()
    return process, ours, held


def _context(method: str) -> Any:
    """The context of multiprocessing, whose classes its types do not tell."""
    context: BaseContext = multiprocessing.get_context(method)
    return context


def _is_importable(handler: Handler) -> bool:
    try:
        pickle.dumps(handler)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True


def _log_levels() -> dict[str, int]:
    """The level of every logger that has one of its own; the root's name is empty."""
    loggers = logging.getLogger().manager.loggerDict
    levels = {n: x.level for n, x in loggers.items() if isinstance(x, logging.Logger) and x.level}
    return {"": logging.getLogger().level, **levels}
