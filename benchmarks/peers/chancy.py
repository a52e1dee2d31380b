"""Chancy, with its executor for asynchronous functions."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import uvloop
from chancy import Chancy, Job, Queue, Worker

from benchmarks.face import BATCH, Begin, Order, Payload, Peer, serve

_CONCURRENCY = 2000
_POLL_SECONDS = 1
_SEND_SECONDS = 0.02
_QUEUE = "bench"


class ChancyPeer(Peer):
    """Keeps its jobs; its default plug-ins run."""

    name = "Chancy"
    distribution = "chancy"
    settings = (
        f"Async executor, concurrency {_CONCURRENCY}, eager_polling, polling {_POLL_SECONDS} s, "
        f"send_outgoing_interval {_SEND_SECONDS}, uvloop; push_many of {BATCH}; "
        "a pool of the callers' number"
    )
    unfinished = (
        "SELECT EXISTS (SELECT FROM chancy_jobs WHERE state IN ('pending', 'running', 'retrying'))"
    )
    finished = "SELECT count(*) FROM chancy_jobs WHERE state = 'succeeded'"
    loop = staticmethod(uvloop.new_event_loop)

    async def install(self) -> None:
        """Make the schema and a queue."""
        async with _chancy(1) as chancy:
            await chancy.migrate()
            await chancy.declare(_queue(_CONCURRENCY))

    @asynccontextmanager
    async def submitter(self, callers: int) -> AsyncIterator[_Submitter]:
        """A pool with one connection for each caller."""
        async with _chancy(callers) as chancy:
            yield _Submitter(chancy)

    async def work(self, begin: Begin, order: Order) -> None:
        """One worker; it ends on SIGTERM by itself."""

        async def nothing(n: int, text: str) -> None:
            begin(n)
            if order.seconds:
                await asyncio.sleep(order.seconds)

        # A job names its function by module and name, and the worker looks there.
        sys.modules["__main__"].nothing = nothing
        async with _chancy(10) as chancy:
            await chancy.declare(_queue(order.concurrency or _CONCURRENCY), upsert=True)
            worker = Worker(chancy)
            worker.send_outgoing_interval = _SEND_SECONDS
            async with worker:
                await worker.wait_for_shutdown()


class _Submitter:
    def __init__(self, chancy: Chancy) -> None:
        self._chancy = chancy

    async def many(self, payloads: Sequence[Payload]) -> None:
        jobs = [_job(payload) for payload in payloads]
        async for _ in self._chancy.push_many(jobs, batch_size=BATCH):
            pass

    async def one(self, payload: Payload) -> None:
        await self._chancy.push(_job(payload))


def _chancy(pool_size: int) -> Chancy:
    log = logging.getLogger("chancy")
    log.setLevel(logging.WARNING)
    return Chancy("", min_connection_pool_size=1, max_connection_pool_size=pool_size, log=log)


def _queue(concurrency: int) -> Queue:
    return Queue(
        _QUEUE,
        executor=Chancy.Executor.Async,
        concurrency=concurrency,
        polling_interval=_POLL_SECONDS,
        eager_polling=True,
    )


def _job(payload: Payload) -> Job:
    return Job(func="__main__.nothing", kwargs=payload, queue=_QUEUE)


if __name__ == "__main__":
    serve(ChancyPeer())
