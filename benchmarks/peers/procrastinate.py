"""Procrastinate, by psycopg."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import procrastinate
import uvloop
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from benchmarks.face import Begin, Order, Payload, Peer, serve

_CONCURRENCY = 30
_POOL_SIZE = 3


class ProcrastinatePeer(Peer):
    """Keeps its jobs, as by default."""

    name = "Procrastinate"
    distribution = "procrastinate"
    settings = (
        f"concurrency {_CONCURRENCY}, own pool of {_POOL_SIZE} without checkout test, autocommit, "
        "uvloop, jobs kept; batch_defer of 5,000; a pool of the callers' number"
    )
    unfinished = "SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE status IN ('todo', 'doing'))"
    finished = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"
    loop = staticmethod(uvloop.new_event_loop)

    async def install(self) -> None:
        """Make the schema."""
        async with _open_app(_app(), 1) as app:
            await app.schema_manager.apply_schema_async()

    @asynccontextmanager
    async def submitter(self, callers: int) -> AsyncIterator[_Submitter]:
        """A pool with one connection for each caller."""
        async with _open_app(_app(), callers) as app:
            yield _Submitter(app)

    async def work(self, begin: Begin, order: Order) -> None:
        """One worker; it ends on SIGTERM by itself."""
        app = _app()

        @app.task(name="nothing")
        async def nothing(n: int, text: str) -> None:
            begin(n)
            if order.seconds:
                await asyncio.sleep(order.seconds)

        async with _open_app(app, _POOL_SIZE):
            await app.run_worker_async(concurrency=order.concurrency or _CONCURRENCY)


class _Submitter:
    def __init__(self, app: procrastinate.App) -> None:
        self._job = app.configure_task("nothing", allow_unknown=True)

    async def many(self, payloads: Sequence[Payload]) -> None:
        await self._job.batch_defer_async(*payloads)

    async def one(self, payload: Payload) -> None:
        await self._job.defer_async(**payload)


def _app() -> procrastinate.App:
    return procrastinate.App(connector=procrastinate.PsycopgConnector())


@asynccontextmanager
async def _open_app(app: procrastinate.App, size: int) -> AsyncIterator[procrastinate.App]:
    pool = AsyncConnectionPool(
        "", configure=_set_autocommit, min_size=size, max_size=size, open=False
    )
    async with pool, app.open_async(pool):
        yield app


async def _set_autocommit(connection: AsyncConnection) -> None:
    await connection.set_autocommit(True)


if __name__ == "__main__":
    serve(ProcrastinatePeer())
