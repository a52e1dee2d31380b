"""agentpg itself."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from agentpg import App, AsyncClient, Database, NewTask, Run, Worker, load_settings
from agentpg.schema import migrate
from benchmarks.face import Begin, Payload, Peer, serve

_CONCURRENCY = 500
_DATABASE = Database("")


class Agentpg(Peer):
    """Everything recorded as in production; plain asyncio, no optional parts."""

    name = "agentpg"
    distribution = "agentpg"
    settings = f"concurrency {_CONCURRENCY}; submit_many() of 5,000; pool of the callers' number"
    unfinished = (
        "SELECT EXISTS (SELECT FROM agentic_ai.tasks WHERE status IN ('pending', 'running'))"
    )
    finished = "SELECT count(*) FROM agentic_ai.tasks WHERE status = 'completed'"

    async def install(self) -> None:
        """Make the schema."""
        await asyncio.to_thread(migrate, _DATABASE)

    @asynccontextmanager
    async def submitter(self, callers: int) -> AsyncIterator[_Submitter]:
        """A client with one connection for each caller."""
        async with AsyncClient(_DATABASE, settings=load_settings(pool_size=callers)) as client:
            yield _Submitter(client)

    async def work(self, begin: Begin) -> None:
        """One worker with one handler."""
        app = App()

        @app.task("Bench", "nothing")
        async def nothing(run: Run, n: int, text: str) -> None:
            begin(n)

        worker = Worker(app, _DATABASE, load_settings(), concurrency=_CONCURRENCY)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
        await worker.run()


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
