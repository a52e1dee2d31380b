"""A connection that comes back: what a long-lived process holds instead of a plain one."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

from psycopg import AsyncConnection, Error
from psycopg.rows import RowFactory, TupleRow, tuple_row
from psycopg.sql import SQL, Composed, Identifier

from agentpg.db.border import driver_errors, is_connection_lost, is_refused_value, translate
from agentpg.db.connect import Database, connect_async
from agentpg.db.leading import Leading
from agentpg.db.pooler import work_on_async
from agentpg.errors import DatabaseUnavailable

_log = logging.getLogger("agentpg.db")

# Waits between attempts to connect: 0.1 s, doubled up to 5 s, each ± half, so that many
# workers do not return to a restarted server in step.
_FIRST_WAIT = 0.1
_LONGEST_WAIT = 5.0

Execute = Callable[..., Awaitable[list[Any]]]


class SteadyConnection:
    """One asynchronous connection, used by one statement at a time and made anew when lost, or
    when its service leads to another role.

    Where it lasts longer than a transaction it listens to `channel`: `heard` is called when
    that is notified, with the answer of a statement or while it is `hearing`.

    `execute` runs a statement once and raises DatabaseUnavailable when the connection is
    lost meanwhile; whether the statement took effect is then unknown. `insist` repeats it
    until the server has taken it, so it is for statements that may run twice. Where the
    server refuses a value itself, the driver's error passes through.
    """

    def __init__(
        self,
        database: Database,
        application_name: str,
        *,
        channel: str | None = None,
        heard: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._name = application_name
        self._channel = channel
        self._heard = heard
        self._listens = False
        self._watching = False
        self._lock = asyncio.Lock()
        self._connection: AsyncConnection[TupleRow] | None = None
        self._leading = Leading(database.dsn)
        self._role = ""

    async def execute(
        self,
        statement: Composed,
        parameters: Mapping[str, Any] | None = None,
        row: RowFactory[Any] = tuple_row,
    ) -> list[Any]:
        """Run `statement` in a transaction of its own and return its rows."""
        async with self._lock:
            connection = await self._present()
            try:
                return await _rows(connection, statement, parameters, row)
            except (Error, asyncio.CancelledError) as error:
                raise await self._seen(error, connection)  # noqa: B904 - it says its cause

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Execute]:
        """Within it, what it gives runs statements of one transaction and returns their rows.

        It is committed at the end, and rolled back by an error, which is raised as by
        `execute`.
        """
        async with self._lock:
            connection = await self._present()
            try:
                async with connection.transaction():
                    yield partial(_rows, connection)
            except (Error, asyncio.CancelledError) as error:
                raise await self._seen(error, connection)  # noqa: B904 - it says its cause

    async def _seen(
        self, error: Error | asyncio.CancelledError, connection: AsyncConnection[TupleRow]
    ) -> BaseException:
        """The error to raise; a connection that is of no more use is dropped."""
        if isinstance(error, asyncio.CancelledError):
            # In the middle of a statement: its answer may still be on the wire.
            await self._drop()
            return error
        if is_refused_value(error):
            return error
        if is_connection_lost(error):
            await self._drop()
        ours = translate(error, self._database.target(), connection)
        ours.__cause__ = error
        return ours

    async def insist(
        self,
        statement: Composed,
        parameters: Mapping[str, Any] | None = None,
        row: RowFactory[Any] = tuple_row,
    ) -> list[Any]:
        """Run `statement` until the server has answered it."""
        wait = _FIRST_WAIT
        while True:
            try:
                return await self.execute(statement, parameters, row)
            except DatabaseUnavailable as error:
                _log.warning("%s; trying again", error)
                await asyncio.sleep(wait * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
                wait = min(wait * 2, _LONGEST_WAIT)

    @property
    def listens(self) -> bool:
        """Whether notifications are heard."""
        return self._listens

    @contextmanager
    def hearing(self) -> Iterator[None]:
        """Within it no statement runs, and notifications are heard as they arrive.

        A connection that is lost meanwhile is heard too.
        """
        connection = self._connection
        if connection is None or not self._listens:
            yield
            return
        loop, place = asyncio.get_running_loop(), connection.fileno()
        loop.add_reader(place, self._hear, connection, loop, place)
        self._watching = True
        try:
            yield
        finally:
            if self._watching:
                self._watching = not loop.remove_reader(place)

    def _hear(
        self, connection: AsyncConnection[TupleRow], loop: asyncio.AbstractEventLoop, place: int
    ) -> None:
        try:
            connection.pgconn.consume_input()
            while connection.pgconn.notifies() is not None:
                self._heard()
        except Error:
            # The driver has closed the descriptor, and another connection may get its number.
            # The next statement finds this one lost too, and makes another one.
            self._watching = not loop.remove_reader(place)
            self._heard()

    async def close(self) -> None:
        """Close the connection; the next statement would make a new one."""
        async with self._lock:
            await self._drop()

    async def _present(self) -> AsyncConnection[TupleRow]:
        if self._connection is not None and self._leading.elsewhere(self._role):
            await self._drop()
        return self._connection or await self._connect()

    async def _connect(self) -> AsyncConnection[TupleRow]:
        connection = await connect_async(self._database, self._name)
        self._role = connection.info.user
        with driver_errors(self._database.target()):
            last = await work_on_async(connection, self._database.schema)
            self._listens = last == "session" and self._channel is not None
            if self._listens:
                await self._listen(connection)
        self._connection = connection
        return connection

    async def _listen(self, connection: AsyncConnection[TupleRow]) -> None:
        connection.add_notify_handler(lambda _: self._heard())
        await connection.execute(SQL("LISTEN {}").format(Identifier(self._channel or "")))

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with driver_errors(self._database.target()):
                await connection.close()


async def _rows(
    connection: AsyncConnection[TupleRow],
    statement: Composed,
    parameters: Mapping[str, Any] | None = None,
    row: RowFactory[Any] = tuple_row,
) -> list[Any]:
    cursor = connection.cursor(row_factory=row)
    await cursor.execute(statement, parameters)
    # Not `cursor.description`, which makes an object for each column.
    answers = cursor.pgresult is not None and cursor.pgresult.nfields > 0
    return await cursor.fetchall() if answers else []
