"""Pools of connections that grow on demand and check nothing out that is dead, or that a service
leads to no more."""

from __future__ import annotations

import asyncio
import json
import select
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from psycopg import AsyncConnection, Connection, OperationalError
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_loads
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from agentpg.db.border import driver_errors
from agentpg.db.connect import Database, attune, attune_async, connect, connect_async
from agentpg.db.leading import Leading

# How long a caller waits for a connection of a full pool before it gets an error.
_CHECKOUT_SECONDS = 30.0

_CLOSED = "the server has closed the connection"
_ELSEWHERE = "the service leads to another role by now"

JsonLoads = Callable[[str | bytes], Any]


class AsyncPool:
    """An asynchronous pool; its first connection is made when it is first used.

    `json_loads` reads what columns of type json and jsonb hold.
    """

    def __init__(
        self,
        database: Database,
        application_name: str,
        size: int,
        json_loads: JsonLoads = json.loads,
    ) -> None:
        self._database = database
        self._name = application_name
        self._size = size
        self._json_loads = json_loads
        self._target = ""
        self._leading = Leading(database.dsn)
        self._opening = asyncio.Lock()
        self._pool: AsyncConnectionPool[AsyncConnection[TupleRow]] | None = None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection[TupleRow]]:
        """Borrow a connection in autocommit mode; the driver's errors become ours."""
        pool = self._pool or await self._open()
        with driver_errors(self._target):
            connection = await pool.getconn()
        try:
            with driver_errors(self._target, connection):
                yield connection
        finally:
            # Not by pool.connection(): it ends a transaction, and here is none of its own.
            await pool.putconn(connection)

    async def close(self) -> None:
        """Close all connections."""
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    async def _open(self) -> AsyncConnectionPool[AsyncConnection[TupleRow]]:
        # A connection made by hand first says at once what is wrong; the pool itself
        # would only say, after its time-out, that it got no connection.
        async with self._opening:
            if self._pool is not None:
                return self._pool
            await (await connect_async(self._database, self._name)).close()
            self._target = self._database.target()
            pool = AsyncConnectionPool(
                self._database.conninfo(self._name),
                kwargs={"autocommit": True},
                min_size=1,
                max_size=self._size,
                timeout=_CHECKOUT_SECONDS,
                check=self._check,
                configure=self._configure,
                open=False,
            )
            await pool.open()
            self._pool = pool
        return pool

    async def _check(self, connection: AsyncConnection[TupleRow]) -> None:
        """Raise if it is of no more use, without asking the server."""
        if _was_told_goodbye(connection.fileno()):
            await connection.close()
            raise OperationalError(_CLOSED)
        if self._leading.elsewhere(connection.info.user):
            await connection.close()
            raise OperationalError(_ELSEWHERE)

    async def _configure(self, connection: AsyncConnection[TupleRow]) -> None:
        await attune_async(connection)
        set_json_loads(self._json_loads, connection)


class Pool:
    """A synchronous pool; its first connection is made when it is first used.

    `json_loads` reads what columns of type json and jsonb hold.
    """

    def __init__(
        self,
        database: Database,
        application_name: str,
        size: int,
        json_loads: JsonLoads = json.loads,
    ) -> None:
        self._database = database
        self._name = application_name
        self._size = size
        self._json_loads = json_loads
        self._target = ""
        self._leading = Leading(database.dsn)
        self._opening = threading.Lock()
        self._pool: ConnectionPool[Connection[TupleRow]] | None = None

    @contextmanager
    def connection(self) -> Iterator[Connection[TupleRow]]:
        """Borrow a connection in autocommit mode; the driver's errors become ours."""
        pool = self._pool or self._open()
        with driver_errors(self._target):
            connection = pool.getconn()
        try:
            with driver_errors(self._target, connection):
                yield connection
        finally:
            # Not by pool.connection(): it ends a transaction, and here is none of its own.
            pool.putconn(connection)

    def close(self) -> None:
        """Close all connections."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def _open(self) -> ConnectionPool[Connection[TupleRow]]:
        with self._opening:
            if self._pool is not None:
                return self._pool
            connect(self._database, self._name).close()
            self._target = self._database.target()
            self._pool = ConnectionPool(
                self._database.conninfo(self._name),
                kwargs={"autocommit": True},
                min_size=1,
                max_size=self._size,
                timeout=_CHECKOUT_SECONDS,
                check=self._check,
                configure=self._configure,
                open=True,
            )
        return self._pool

    def _check(self, connection: Connection[TupleRow]) -> None:
        """Raise if it is of no more use, without asking the server."""
        if _was_told_goodbye(connection.fileno()):
            connection.close()
            raise OperationalError(_CLOSED)
        if self._leading.elsewhere(connection.info.user):
            connection.close()
            raise OperationalError(_ELSEWHERE)

    def _configure(self, connection: Connection[TupleRow]) -> None:
        attune(connection)
        set_json_loads(self._json_loads, connection)


def _was_told_goodbye(descriptor: int) -> bool:
    """Whether there is something to read, which an idle connection has not."""
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(0))
