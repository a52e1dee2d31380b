"""Times are read as they are, whatever style the database writes them in."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from agentpg.db import AsyncPool, Database, Pool, connect
from agentpg.db.connect import connect_async
from agentpg.db.query import compose_script
from tests.pgbouncer import PROGRAM, pgbouncer
from tests.servers import write_times_in

MOMENT = datetime(2026, 3, 4, 5, 6, 7, 8, UTC)

# As itself, and as text that is read back: in Shanghai it is CST, as it is in Chicago.
_ASK = compose_script(
    "SELECT moment, moment::text::timestamptz"
    " FROM (VALUES ('2026-03-04 05:06:07.000008+00'::timestamptz)) AS given (moment)"
)


@pytest.fixture(params=["German", "SQL, DMY", "Postgres, MDY"])
def particular(request: pytest.FixtureRequest, database: Database) -> Database:
    """A database that writes times in a style of its own."""
    write_times_in(database, request.param)
    return database


async def ask_async(database: Database) -> list[Any]:
    pool = AsyncPool(database, "pooled", 1)
    async with await connect_async(database) as single, pool.connection() as pooled:
        rows = [await (await one.execute(_ASK)).fetchone() for one in (single, pooled)]
    await pool.close()
    return rows


def test_by_every_kind_of_connection(particular: Database) -> None:
    pool = Pool(particular, "pooled", 1)
    with connect(particular) as single, pool.connection() as pooled:
        rows = [one.execute(_ASK).fetchone() for one in (single, pooled)]
    pool.close()
    assert rows + asyncio.run(ask_async(particular)) == [(MOMENT, MOMENT)] * 4


@pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed")
def test_through_a_pooler_nobody_else_reads_another_style(particular: Database) -> None:
    """With one process of the server for both."""
    with (
        pgbouncer(particular, default_pool_size=1) as pooler,
        psycopg.connect(pooler.database.dsn, autocommit=True) as stranger,
        connect(pooler.database) as ours,
    ):
        before = stranger.execute("SHOW DateStyle").fetchone()
        for _ in range(3):
            assert ours.execute(_ASK).fetchone() == (MOMENT, MOMENT)
            assert stranger.execute("SHOW DateStyle").fetchone() == before
