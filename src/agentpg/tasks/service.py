"""A worker as a service: it waits for its database, works, and obeys signals."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TypeVar

from agentpg.db import Database, connect
from agentpg.errors import (
    DatabaseMissing,
    DatabaseUnavailable,
    LoginRefused,
    ServerInRecovery,
    ServerUnproved,
)
from agentpg.schema import check_version
from agentpg.settings import Settings
from agentpg.tasks.handlers import App
from agentpg.tasks.overview import server_facts
from agentpg.tasks.pace import spread, until
from agentpg.tasks.worker import Worker

Result = TypeVar("Result")

_log = logging.getLogger("agentpg.worker")

# Waits between looks at a database that is away.
_FIRST_WAIT = 0.2
_LONGEST_WAIT = 5.0

# What is left when the work has ended has so long to end too.
_SECONDS_FOR_THE_REST = 1.0

# A worker whose parent has died has so long to hand its tasks back.
_SECONDS_WITHOUT_PARENT = 10.0


class Service:
    """Runs one worker from the wait for its database to its end.

    `find_database` says where the database is; it may raise DatabaseUnavailable while that
    is not known yet. `prepare` is done once the database takes work; by default the schema's
    version is checked. `concurrency` is how many handlers run at a time; the default is the
    setting.
    """

    def __init__(
        self,
        app: App,
        find_database: Callable[[], Database],
        settings: Settings,
        *,
        prepare: Callable[[Database], object] = check_version,
        concurrency: int | None = None,
    ) -> None:
        self._app = app
        self._find_database = find_database
        self._settings = settings
        self._prepare = prepare
        self._concurrency = concurrency
        self._stopping = asyncio.Event()
        self._worker: Worker | None = None

    async def run(self) -> None:
        """Work until told to stop.

        The process is this service's own: its garbage collector is set for it. Raises what
        waiting cannot mend: LoginRefused, ServerUnproved, DatabaseMissing and Refused.
        """
        _spare_the_collector()
        wait = _FIRST_WAIT
        while not self._stopping.is_set():
            database = await ready_database(self._find_database, self._stopping, self._prepare)
            if database is None:
                return
            self._worker = Worker(
                self._app, database, self._settings, concurrency=self._concurrency
            )
            try:
                await self._worker.run()
            except DatabaseUnavailable as error:
                _log.warning("%s; trying again", error)
                await until(self._stopping, seconds=spread(wait, 0.5))
                wait = min(wait * 2, _LONGEST_WAIT)
            else:
                return

    def stop(self) -> None:
        """Finish what runs within the grace, hand the rest back, and end."""
        self._stopping.set()
        if self._worker is not None:
            self._worker.stop()

    def stop_now(self) -> None:
        """Hand everything back at once, and end."""
        self._stopping.set()
        if self._worker is not None:
            self._worker.stop_now()


def _spare_the_collector() -> None:
    """Collect garbage less often, and never what was there before the work.

    A worker holds thousands of tasks for a short time, and they hold no cycles: the default
    of a collection every 700 objects takes a fifth of its time to find nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def run_service(service: Service) -> None:
    """Run a service in the main thread until it has ended.

    The first SIGTERM or SIGINT stops it, the second stops it now, the third ends the
    process at once.
    """
    run_in_loop(_obeying(service, (service.stop, service.stop_now), end_at_once))


def run_below_parent(service: Service, lifeline: int) -> None:
    """Run a service of a process that another one watches.

    A signal stops it gently, however often it comes, since several programs may send it. It
    stops now when the file `lifeline` ends, which the parent holds open as long as it lives.
    """

    async def main() -> None:
        _hold_on_to(lifeline, service)
        await _obeying(service, (service.stop,))

    run_in_loop(main())


async def ready_database(
    find_database: Callable[[], Database],
    stopping: asyncio.Event,
    prepare: Callable[[Database], object] = check_version,
) -> Database | None:
    """The database as soon as it takes work and is prepared, or None if told to stop first.

    Raises LoginRefused, ServerUnproved, DatabaseMissing and Refused: waiting does not mend
    them.
    """
    wait = _FIRST_WAIT
    while not stopping.is_set():
        looking = asyncio.ensure_future(asyncio.to_thread(_look, find_database, prepare))
        await until(stopping, tasks=[looking])
        if not looking.done():
            return None
        try:
            return looking.result()
        except (LoginRefused, DatabaseMissing, ServerUnproved):
            raise
        except DatabaseUnavailable as error:
            _log.warning("%s; trying again", error)
        await until(stopping, seconds=spread(wait, 0.5))
        wait = min(wait * 2, _LONGEST_WAIT)
    return None


def run_in_loop(main: Coroutine[Any, Any, Result]) -> Result:
    """Run `main` in a new event loop, as asyncio.run does, but wait for no thread and for no
    task that will not be cancelled: a handler that hangs must not hold up the end."""
    loop = asyncio.new_event_loop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(main)
    finally:
        loop.run_until_complete(_cancel_the_rest())
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()


@contextmanager
def signals(
    orders: Sequence[Callable[[], None]], at_last: Callable[[], None] | None = None
) -> Iterator[None]:
    """Within it, each SIGTERM or SIGINT gives the next of the orders in the running loop.

    `at_last` is what one more does, at once: for a loop that is stuck.
    """
    loop = asyncio.get_running_loop()
    left = list(orders)

    def obey(number: int, frame: FrameType | None) -> None:
        del number, frame
        if left:
            loop.call_soon_threadsafe(left.pop(0))
        elif at_last is not None:
            at_last()

    before = {number: signal.signal(number, obey) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _obeying(
    service: Service,
    orders: Sequence[Callable[[], None]],
    at_last: Callable[[], None] | None = None,
) -> None:
    with signals(orders, at_last):
        await service.run()


def _look(find_database: Callable[[], Database], prepare: Callable[[Database], object]) -> Database:
    database = find_database()
    with connect(database, "agentpg worker") as connection:
        if server_facts(connection).in_recovery:
            raise ServerInRecovery(target=database.target())
    prepare(database)
    return database


def _hold_on_to(lifeline: int, service: Service) -> None:
    loop = asyncio.get_running_loop()

    def watch() -> None:
        while os.read(lifeline, 1):
            pass
        with suppress(RuntimeError):  # the loop has ended already
            loop.call_soon_threadsafe(service.stop_now)
        time.sleep(_SECONDS_WITHOUT_PARENT)
        end_at_once()

    threading.Thread(target=watch, name="agentpg-lifeline", daemon=True).start()


def end_at_once() -> None:
    """End this process; what it held is put back when its lease is over."""
    os._exit(1)


async def _cancel_the_rest() -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    if rest:
        await asyncio.wait(rest, timeout=_SECONDS_FOR_THE_REST)
