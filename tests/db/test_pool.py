"""A pool gives out no connection that the server has closed."""

from __future__ import annotations

import asyncio

from agentpg.db import AsyncPool, Database, Pool, connect
from tests.waiting import eventually

KILL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
ALIVE = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"


def end_backends(database: Database, name: str) -> None:
    with connect(database) as other:
        other.execute(KILL, (name,))
        eventually(lambda: other.execute(ALIVE, (name,)).fetchone() == (0,))


def test_a_closed_connection_is_not_given_out(database: Database) -> None:
    pool = Pool(database, "pooled", 1)
    try:
        with pool.connection() as connection:
            connection.execute("SELECT 1")
        end_backends(database, "pooled")
        with pool.connection() as connection:
            assert connection.execute("SELECT 2").fetchone() == (2,)
    finally:
        pool.close()


def test_nor_is_an_asynchronous_one(database: Database) -> None:
    async def trying() -> None:
        pool = AsyncPool(database, "pooled async", 1)
        try:
            async with pool.connection() as connection:
                await connection.execute("SELECT 1")
            await asyncio.to_thread(end_backends, database, "pooled async")
            async with pool.connection() as connection:
                cursor = await connection.execute("SELECT 2")
                assert await cursor.fetchone() == (2,)
        finally:
            await pool.close()

    asyncio.run(trying())
