"""agentpg itself."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import uvloop

from agentpg import App, AsyncClient, Database, NewTask, Run, Worker, load_settings
from agentpg.schema import migrate
from agentpg.tasks import worker as worker_room
from benchmarks.face import Begin, Order, Payload, Peer, serve

_CONCURRENCY = 500
_DATABASE = Database("")


class Agentpg(Peer):
    """Everything recorded as in production. The worker runs on asyncio's own loop, as
    `agentpg worker` does; the programs that submit run on uvloop, as they may."""

    name = "agentpg"
    distribution = "agentpg"
    settings = (
        f"concurrency {_CONCURRENCY}; submit_many() of 5,000; pool of the callers' number; uvloop "
        "where tasks are submitted"
    )
    loop = staticmethod(uvloop.new_event_loop)
    worker_loop = staticmethod(asyncio.new_event_loop)
    unfinished = (
        "SELECT EXISTS (SELECT FROM agentic_ai.tasks WHERE status IN ('pending', 'running'))"
    )
    finished = "SELECT count(*) FROM agentic_ai.tasks WHERE status = 'completed'"
    history = """
        WITH finished AS (
            INSERT INTO agentic_ai.tasks (
                id, agent_name, task_type, status, created_at, run_at, payload, attempt,
                started_at, finished_at
            )
            SELECT agentic_ai.uuid7(), 'Bench', 'nothing', 'completed', at, at,
                   jsonb_build_object('n', n, 'text', repeat('0123456789abcdef', 4)), 1, at, at
            FROM (
                SELECT n, now() - interval '30 days' + n * interval '30 days' / {n} AS at
                FROM generate_series(1, {n}) n
            ) spread
            RETURNING id, started_at
        )
        INSERT INTO agentic_ai.agent_executions (
            task_id, attempt, agent_name, task_type, worker, execution_start, execution_end,
            duration_seconds, outcome
        )
        SELECT id, 1, 'Bench', 'nothing', '00000000-0000-7000-8000-000000000000', started_at,
               started_at, 0.001, 'completed'
        FROM finished
    """

    async def install(self) -> None:
        """Make the schema."""
        await asyncio.to_thread(migrate, _DATABASE)

    @asynccontextmanager
    async def submitter(self, callers: int) -> AsyncIterator[_Submitter]:
        """A client with one connection for each caller."""
        async with AsyncClient(_DATABASE, settings=load_settings(pool_size=callers)) as client:
            yield _Submitter(client)

    async def work(self, begin: Begin, order: Order) -> None:
        """One worker with one handler."""
        app = App()

        @app.task("Bench", "nothing")
        async def nothing(run: Run, n: int, text: str) -> None:
            begin(n)
            if order.seconds:
                await asyncio.sleep(order.seconds)

        if order.batch:
            _limit_claims(order.batch)
        concurrency = order.concurrency or _CONCURRENCY
        worker = Worker(app, _DATABASE, load_settings(), concurrency=concurrency)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
        await worker.run()


def _limit_claims(batch: int) -> None:
    """A worker sizes its claims by its rate; only for a measurement are they kept small."""
    assert hasattr(worker_room, "_LARGEST_CLAIM")
    worker_room._LARGEST_CLAIM = batch  # noqa: SLF001


class _Submitter:
    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def many(self, payloads: Sequence[Payload]) -> list[UUID]:
        return await self._client.submit_many(
            [NewTask(agent_name="Bench", task_type="nothing", payload=p) for p in payloads]
        )

    async def one(self, payload: Payload) -> UUID:
        return await self._client.submit("Bench", "nothing", payload)


if __name__ == "__main__":
    serve(Agentpg())
