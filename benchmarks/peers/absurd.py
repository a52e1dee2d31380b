"""Absurd, by its asynchronous SDK."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import absurdctl
import uvloop
from absurd_sdk import AsyncAbsurd, AsyncTaskContext
from psycopg import AsyncConnection

from benchmarks.face import Begin, Order, Payload, Peer, serve

_CONCURRENCY = 1000
_POLL_SECONDS = 0.02
_TRANSACTION = 1000
_QUEUE = "bench"


class AbsurdPeer(Peer):
    """Keeps a task and its runs."""

    name = "Absurd"
    distribution = "absurd-sdk"
    settings = (
        f"AsyncAbsurd, concurrency = batch_size = {_CONCURRENCY}, poll {_POLL_SECONDS} s, uvloop; "
        f"spawn() in transactions of {_TRANSACTION} (it has no bulk call); "
        "a connection for each caller; schema of absurdctl"
    )
    unfinished = (
        f"SELECT EXISTS (SELECT FROM absurd.t_{_QUEUE} "
        "WHERE state IN ('pending', 'sleeping', 'running'))"
    )
    finished = f"SELECT count(*) FROM absurd.t_{_QUEUE} WHERE state = 'completed'"
    loop = staticmethod(uvloop.new_event_loop)

    async def install(self) -> None:
        """Make the schema that absurdctl carries, and a queue."""
        async with await AsyncConnection.connect("", autocommit=True) as connection:
            await connection.execute(absurdctl.BUNDLED_SCHEMA_SQL.encode())
            await AsyncAbsurd(connection, _QUEUE).create_queue()

    @asynccontextmanager
    async def submitter(self, callers: int) -> AsyncIterator[_Submitter]:
        """One connection for each caller."""
        async with AsyncExitStack() as stack:
            yield _Submitter(
                [
                    await stack.enter_async_context(
                        await AsyncConnection.connect("", autocommit=True)
                    )
                    for _ in range(callers)
                ]
            )

    async def work(self, begin: Begin, order: Order) -> None:
        """One worker on one connection."""
        async with await AsyncConnection.connect("", autocommit=True) as connection:
            absurd = AsyncAbsurd(connection, _QUEUE)

            @absurd.register_task("nothing")
            async def nothing(params: Any, context: AsyncTaskContext) -> None:
                begin(params["n"])
                if order.seconds:
                    await asyncio.sleep(order.seconds)

            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, absurd.stop_worker)
            concurrency = order.concurrency or _CONCURRENCY
            await absurd.start_worker(
                concurrency=concurrency,
                batch_size=order.batch or concurrency,
                poll_interval=_POLL_SECONDS,
            )


class _Submitter:
    def __init__(self, connections: Sequence[AsyncConnection]) -> None:
        self._connections = connections
        self._free = [AsyncAbsurd(connection, _QUEUE) for connection in connections]

    async def many(self, payloads: Sequence[Payload]) -> None:
        for first in range(0, len(payloads), _TRANSACTION):
            async with self._connections[0].transaction():
                for payload in payloads[first : first + _TRANSACTION]:
                    await self.one(payload)

    async def one(self, payload: Payload) -> None:
        client = self._free.pop()
        try:
            await client.spawn("nothing", payload, queue=_QUEUE)
        finally:
            self._free.append(client)


if __name__ == "__main__":
    serve(AbsurdPeer())
