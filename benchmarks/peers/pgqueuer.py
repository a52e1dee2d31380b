"""PgQueuer, by asyncpg."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import uvloop
from pgqueuer import PgQueuer, Queries
from pgqueuer.models import Job

from benchmarks.face import Begin, Order, Payload, Peer, serve

_BATCH_SIZE = 1000


class PgQueuerPeer(Peer):
    """Deletes a job as it ends and keeps a row of its log for it."""

    name = "PgQueuer"
    distribution = "pgqueuer"
    settings = (
        f"batch_size {_BATCH_SIZE}, asyncpg, one connection, uvloop; enqueue() of 5,000; "
        "a pool of the callers' number"
    )
    unfinished = "SELECT EXISTS (SELECT FROM pgqueuer)"
    finished = "SELECT count(*) FROM pgqueuer_log WHERE status = 'successful'"
    # Three rows of its log for each job, as it writes them and has counted them long ago.
    history = """
        INSERT INTO pgqueuer_log (created, job_id, status, entrypoint, priority, aggregated)
        SELECT now() - interval '1 day' + n * interval '1 ms', -n, status, 'nothing', 0, true
        FROM generate_series(1, {n}) n,
             unnest('{queued,picked,successful}'::pgqueuer_status[]) status
    """
    loop = staticmethod(uvloop.new_event_loop)

    async def install(self) -> None:
        """Make the schema."""
        connection = await asyncpg.connect()
        await Queries.from_asyncpg_connection(connection).install()
        await connection.close()

    @asynccontextmanager
    async def submitter(self, callers: int) -> AsyncIterator[_Submitter]:
        """One connection for one caller, a pool for more."""
        if callers == 1:
            connection = await asyncpg.connect()
            yield _Submitter(Queries.from_asyncpg_connection(connection))
            await connection.close()
        else:
            async with asyncpg.create_pool(min_size=callers, max_size=callers) as pool:
                yield _Submitter(Queries.from_asyncpg_pool(pool))

    async def work(self, begin: Begin, order: Order) -> None:
        """One queue manager."""
        connection = await asyncpg.connect()
        queue = PgQueuer.from_asyncpg_connection(connection)

        @queue.entrypoint("nothing")
        async def nothing(job: Job) -> None:
            begin(json.loads(job.payload or b"")["n"])
            if order.seconds:
                await asyncio.sleep(order.seconds)

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, queue.shutdown.set)
        batch_size = order.batch or _BATCH_SIZE
        if order.concurrency:
            batch_size = min(batch_size, order.concurrency // 2)  # it wants two batches at least
        await queue.run(batch_size=batch_size, max_concurrent_tasks=order.concurrency)
        await connection.close()


class _Submitter:
    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    async def many(self, payloads: Sequence[Payload]) -> None:
        encoded: list[bytes | None] = [json.dumps(payload).encode() for payload in payloads]
        await self._queries.enqueue(["nothing"] * len(encoded), encoded, [0] * len(encoded))

    async def one(self, payload: Payload) -> None:
        await self._queries.enqueue("nothing", json.dumps(payload).encode())


if __name__ == "__main__":
    serve(PgQueuerPeer())
