"""DBOS Transact, with workflows without steps."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import sqlalchemy
from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions

from benchmarks.face import Begin, Order, Payload, Peer, serve

_CONCURRENCY = 2000
_POLL_SECONDS = 0.02
_POOL_SIZE = 20
_THREADS = 20
_TRANSACTION = 1000
_QUEUE = "bench"
_VERSION = "1"


class DbosPeer(Peer):
    """Keeps a workflow, its input and its output."""

    name = "DBOS"
    distribution = "dbos"
    settings = (
        f"synchronous workflow without steps, worker_concurrency {_CONCURRENCY}, "
        f"polling {_POLL_SECONDS} s, pool {_POOL_SIZE}, {_THREADS} threads; "
        f"enqueue_in_transaction, {_TRANSACTION} a transaction (it has no bulk call); "
        "a pool and threads of the callers' number"
    )
    unfinished = (
        "SELECT EXISTS (SELECT FROM dbos.workflow_status "
        "WHERE status IN ('ENQUEUED', 'PENDING', 'DELAYED'))"
    )
    finished = "SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS'"

    async def install(self) -> None:
        """Make the schema by a first start."""
        await asyncio.to_thread(_launch_and_end)

    @asynccontextmanager
    async def submitter(self, callers: int) -> AsyncIterator[_Submitter]:
        """A client with one connection for each caller."""
        client = DBOSClient(system_database_url=_url(), system_database_pool_size=callers)
        with ThreadPoolExecutor(callers) as threads:
            yield _Submitter(client, threads if callers > 1 else None)
        client.destroy()

    async def work(self, begin: Begin, order: Order) -> None:
        """One executor."""
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        await asyncio.to_thread(_launch, begin, order)
        await stopped.wait()
        await asyncio.to_thread(DBOS.destroy)


class _Submitter:
    def __init__(self, client: DBOSClient, threads: ThreadPoolExecutor | None) -> None:
        self._client = client
        self._threads = threads
        self._engine = sqlalchemy.create_engine(_url())

    async def many(self, payloads: Sequence[Payload]) -> None:
        for first in range(0, len(payloads), _TRANSACTION):
            with self._engine.begin() as connection:
                for payload in payloads[first : first + _TRANSACTION]:
                    self._client.enqueue_in_transaction(connection, _options(), **payload)

    async def one(self, payload: Payload) -> None:
        """By a thread where there are several callers: the client is synchronous."""
        if self._threads is None:
            self._enqueue(payload)
        else:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._threads, self._enqueue, payload)

    def _enqueue(self, payload: Payload) -> None:
        self._client.enqueue(_options(), **payload)


def _launch_and_end() -> None:
    _launch(lambda _: None, Order())
    DBOS.destroy()


def _launch(begin: Begin, order: Order) -> None:
    DBOS(config=_config(order))

    @DBOS.workflow(name="nothing")
    def nothing(n: int, text: str) -> None:
        begin(n)
        if order.seconds:
            time.sleep(order.seconds)

    DBOS.launch()
    DBOS.register_queue(
        _QUEUE,
        worker_concurrency=order.concurrency or _CONCURRENCY,
        polling_interval_sec=_POLL_SECONDS,
    )


def _config(order: Order) -> DBOSConfig:
    return {
        "name": "bench",
        "system_database_url": _url(),
        "sys_db_pool_size": _POOL_SIZE,
        "max_executor_threads": order.concurrency or _THREADS,
        "application_version": _VERSION,
        "log_level": "ERROR",
        "console_log_level": "ERROR",
    }


def _options() -> EnqueueOptions:
    return {"workflow_name": "nothing", "queue_name": _QUEUE}


def _url() -> str:
    user, host, port, database = (
        os.environ[name] for name in ("PGUSER", "PGHOST", "PGPORT", "PGDATABASE")
    )
    return f"postgresql+psycopg://{user}@{host}:{port}/{database}"


if __name__ == "__main__":
    serve(DbosPeer())
