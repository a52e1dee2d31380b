"""One installation under test: run a task, run all that is due, let time pass."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from agentpg.db import Connection, Database, Statements, TupleRow, class_row, connect
from agentpg.errors import NotDrained, NotForTesting
from agentpg.settings import Settings, load_settings
from agentpg.tasks.client import Client
from agentpg.tasks.following import TaskStory, task_story
from agentpg.tasks.handlers import App
from agentpg.tasks.pace import until
from agentpg.tasks.worker import Worker

# What is due is run for so long before it is given up.
PATIENCE = timedelta(seconds=60)

# A worker under test finds new work quickly and is not waited for.
_EAGER = {"poll_interval": "50ms", "shutdown_grace": "1s"}
_LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """What came of running all that was due, as numbers of attempts and of tasks.

    The outcomes count attempts. `later` counts tasks that wait for a time, `held` those that
    are held, `unhandled` those that are due and that the app has no handler for, `kept_back`
    those that are due and that a pause of their agent or a limit's rate keeps back.
    """

    completed: int = 0
    failed: int = 0
    timed_out: int = 0
    cancelled: int = 0
    lost: int = 0
    released: int = 0
    later: int = 0
    held: int = 0
    unhandled: int = 0
    kept_back: int = 0


@dataclass(frozen=True, slots=True)
class _Left:
    """What is left: `now` is to be done, and the others are as in Drained."""

    now: int
    later: int
    held: int
    unhandled: int
    kept_back: int


class Installation:
    """An installation whose content is thrown away.

    `client` submits, steers and reads its tasks. `database` is where it is, for handlers
    and clients of your own. The handlers run in a thread of this process, in a worker that
    lives as long as one call; so what the test has patched is patched for them.

    Raises NotForTesting for a database that is not marked as one to throw away.
    """

    def __init__(self, database: Database, *, settings: Settings | None = None) -> None:
        self.database = database
        self._settings = settings or load_settings(**_EAGER)
        self._sql = Statements("testing", database.schema)
        with connect(database, "agentpg testing") as connection:
            marked = connection.execute(self._sql["is_marked"]).fetchone()
        if marked != (True,):
            raise NotForTesting(target=database.target())
        self.client = Client(database, settings=self._settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the client."""
        self.client.close()

    def run_one(
        self,
        app: App,
        agent_name: str,
        task_type: str,
        payload: Any = None,
        *,
        timeout: timedelta = PATIENCE,
        **options: Any,
    ) -> TaskStory:
        """Submit one task, run it and no other, and return all about it.

        It is run until it has ended, waits for a time or is kept back, so also its retries if
        they follow at once; meanwhile no schedule fires. `options` are those of
        `Client.submit`. What the handler raises is in the task and its executions. Raises
        ValueError where the app has no handler for it, and NotDrained where it takes longer
        than `timeout`.
        """
        if app.find(agent_name, task_type) is None:
            raise ValueError(f"the app has no handler for {agent_name}/{task_type}")
        task_id = self.client.submit(agent_name, task_type, payload, **options)
        with self._connection() as connection:
            others = self._column(connection, "set_aside", id=task_id)
            schedules = self._column(connection, "set_schedules_aside")
            try:
                self._run(app, timeout)
            finally:
                connection.execute(self._sql["take_up"], {"ids": others})
                connection.execute(self._sql["take_schedules_up"], {"names": schedules})
        return task_story(self.client, task_id)

    def drain(self, app: App, *, timeout: timedelta = PATIENCE) -> Drained:
        """Run until nothing is due any more, what handlers and schedules submit included.

        What is kept back by a pause or by a limit's rate is not waited for. Raises NotDrained
        where it takes longer than `timeout`.
        """
        worker = self._run(app, timeout)
        with self._connection() as connection:
            ended = connection.execute(self._sql["outcomes"], {"workers": [worker]}).fetchall()
            left = self._left(connection, app)
        return Drained(
            **dict(ended),
            later=left.later,
            held=left.held,
            unhandled=left.unhandled,
            kept_back=left.kept_back,
        )

    def advance(self, by: timedelta) -> int:
        """Let time pass for all that waits for a time: delays, backoffs, the ticks of schedules
        and the periods of limits come nearer to their ends by it.

        The clock is the database's and is not moved; the rows are. So `created_at` and all
        that has happened stay as they are, and time-outs of handlers are not touched. No
        worker lives meanwhile: ticks that it passes over were missed. Returns how many tasks
        it moved.
        """
        if by <= timedelta():
            raise ValueError(f"time passes forwards only, not by {by}")
        with self._connection() as connection:
            connection.execute(self._sql["advance_schedules"], {"by": by})
            connection.execute(self._sql["advance_starts"], {"by": by})
            return len(self._column(connection, "advance", by=by))

    def _run(self, app: App, timeout: timedelta) -> UUID:
        """Run a worker in a thread of its own until nothing is due; its id."""
        worker = Worker(app, self.database, self._settings)
        failures: list[BaseException] = []

        def work() -> None:
            try:
                asyncio.run(self._work(worker, app, timeout))
            except BaseException as error:  # noqa: BLE001 - raised again by the caller's thread
                failures.append(error)

        thread = threading.Thread(target=work, name="agentpg-testing", daemon=True)
        thread.start()
        thread.join()
        if failures:
            raise failures[0]
        return worker.id

    async def _work(self, worker: Worker, app: App, timeout: timedelta) -> None:
        working = asyncio.ensure_future(worker.run())
        idle = asyncio.ensure_future(self._until_idle(app, working, timeout))
        try:
            await until(tasks=[idle])
        finally:
            worker.stop()
            await working
        left = idle.result()
        if left:
            raise NotDrained(tasks=left, seconds=f"{timeout.total_seconds():g}")

    async def _until_idle(self, app: App, working: asyncio.Future[None], timeout: timedelta) -> int:
        """Wait until nothing is left to do now, or the time is over; how much is left."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout.total_seconds()
        with await asyncio.to_thread(self._connection) as connection:
            while True:
                left = await asyncio.to_thread(self._left, connection, app)
                if not left.now or loop.time() > deadline or working.done():
                    return left.now
                await asyncio.sleep(_LOOK_SECONDS)

    def _left(self, connection: Connection[TupleRow], app: App) -> _Left:
        handlers = [f"{handler.agent_name}\x1f{handler.task_type}" for handler in app]
        values = {"handlers": handlers, "declared": [schedule.name for schedule in app.schedules]}
        cursor = connection.cursor(row_factory=class_row(_Left))
        return cursor.execute(self._sql["left"], values).fetchall()[0]

    def _column(self, connection: Connection[TupleRow], statement: str, **values: Any) -> list[Any]:
        """The first column of a statement's rows."""
        return [row[0] for row in connection.execute(self._sql[statement], values).fetchall()]

    def _connection(self) -> Connection[TupleRow]:
        return connect(self.database, "agentpg testing")
