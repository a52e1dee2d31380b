"""Connections through a pooler, such as PgBouncer, keep nothing between transactions.

The server's own process may be another one for each transaction. Then a prepared statement,
a LISTEN, or a setting made for the session is gone for us, and is left to somebody else. So
on such a connection nothing is prepared, nobody listens, and settings go with every
statement, in its transaction.

The driver ends a pipeline with a synchronisation and a flush. If the flush comes to PgBouncer
when the answer has gone, it takes a server's process for the idle client, and no answer to it
gives that back. So pipelines stand within transactions: the end of those does.

A pooler gives its clients process numbers of its own, so a number that is not that of the
process which answers tells that one is in between. Whether it keeps a server's process for
a whole session cannot be seen from outside; what is right for transactions is right for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from typing import Any, Literal, Self

from psycopg import AsyncConnection, AsyncCursor, Connection, Cursor, IsolationLevel
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow
from psycopg.sql import Composed

from agentpg.db.query import Fragment, Statements

# What a connection keeps its state for.
Lasting = Literal["session", "transaction"]

_BACKEND = Statements("session", "")["backend"]


def lasting(connection: Connection[Any]) -> Lasting:
    """What this connection keeps its state for. Asks the server once."""
    row = Cursor(connection).execute(_BACKEND).fetchone()
    return _lasting(connection.info.backend_pid, row)


async def lasting_async(connection: AsyncConnection[Any]) -> Lasting:
    """What this connection keeps its state for. Asks the server once."""
    row = await (await AsyncCursor(connection).execute(_BACKEND)).fetchone()
    return _lasting(connection.info.backend_pid, row)


def spare_pooler(connection: Connection[Any]) -> Lasting:
    """Have the driver prepare nothing on a connection through a pooler."""
    found = lasting(connection)
    if found == "transaction":
        connection.prepare_threshold = None
    return found


async def spare_pooler_async(connection: AsyncConnection[Any]) -> Lasting:
    """Have the driver prepare nothing on a connection through a pooler."""
    found = await lasting_async(connection)
    if found == "transaction":
        connection.prepare_threshold = None
    return found


def pin_plans(schema: str, last: Lasting = "session") -> Composed:
    """The statement that a worker's connection begins with: its plans follow the indexes."""
    return Statements("session", schema).compose("pin_plans", only_now=_only_now(last))


def work_on(connection: Connection[Any], schema: str, *, lock_milliseconds: int) -> Lasting:
    """Make a connection a worker's: its plans are pinned, its waits for locks are short."""
    # What a transaction's later statements must see may have been committed meanwhile.
    connection.isolation_level = IsolationLevel.READ_COMMITTED
    last = lasting(connection)
    settings = (pin_plans(schema, last), _wait_shortly(schema, lock_milliseconds, last))
    if last == "session":
        for setting in settings:
            connection.execute(setting)
    else:
        connection.cursor_factory = _with_settings(settings)
    return last


async def work_on_async(connection: AsyncConnection[Any], schema: str) -> Lasting:
    """Make a connection a worker's: its plans are pinned."""
    await connection.set_isolation_level(IsolationLevel.READ_COMMITTED)
    last = await lasting_async(connection)
    pinning = pin_plans(schema, last)
    if last == "session":
        await connection.execute(pinning)
    else:
        connection.cursor_factory = _with_settings_async((pinning,))
    return last


def _lasting(given: int, answered: TupleRow | None) -> Lasting:
    return "session" if answered is not None and answered[0] == given else "transaction"


def _only_now(last: Lasting) -> Fragment:
    return Fragment("true" if last == "transaction" else "false")


def _wait_shortly(schema: str, milliseconds: int, last: Lasting) -> Composed:
    statement = Statements("session", schema)
    return statement.compose(
        "wait_shortly", milliseconds=Fragment(f"'{milliseconds}'"), only_now=_only_now(last)
    )


def _in_transaction(connection: Connection[Any]) -> AbstractContextManager[object]:
    """The transaction that the connection is in, or else a new one."""
    idle = connection.info.transaction_status == TransactionStatus.IDLE
    return connection.transaction() if idle else nullcontext()


def _in_transaction_async(
    connection: AsyncConnection[Any],
) -> AbstractAsyncContextManager[object]:
    """The transaction that the connection is in, or else a new one."""
    idle = connection.info.transaction_status == TransactionStatus.IDLE
    return connection.transaction() if idle else nullcontext()


def _with_settings(settings: Sequence[Composed]) -> type[Cursor[Any]]:
    class WithSettings(Cursor[Any]):
        """Runs each statement in a transaction, after these settings."""

        def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
            with _in_transaction(self.connection), self.connection.pipeline():
                for setting in settings:
                    Cursor(self.connection).execute(setting)
                return super().execute(query, params, **options)

    return WithSettings


def _with_settings_async(settings: Sequence[Composed]) -> type[AsyncCursor[Any]]:
    class WithSettings(AsyncCursor[Any]):
        """Runs each statement in a transaction, after these settings."""

        async def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
            async with _in_transaction_async(self.connection), self.connection.pipeline():
                for setting in settings:
                    await AsyncCursor(self.connection).execute(setting)
                return await super().execute(query, params, **options)

    return WithSettings
