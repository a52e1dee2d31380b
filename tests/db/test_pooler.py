"""What a pooler leaves of a connection, and how it is noticed: with a real PgBouncer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from agentpg.db import (
    AsyncPool,
    Connection,
    Database,
    LockNotAvailable,
    Pool,
    ServerError,
    SteadyConnection,
    connect,
    lasting,
    work_on,
)
from agentpg.db.connect import connect_async
from agentpg.db.pooler import lasting_async
from agentpg.db.query import compose_script
from tests.pgbouncer import PROGRAM, PgBouncer, knows_prepared_statements, pgbouncer
from tests.slow_line import slow_line

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed")

_SETTING = compose_script("SELECT current_setting('enable_seqscan') AS seqscan")


@pytest.fixture
def pooler(database: Database) -> Iterator[PgBouncer]:
    """One server process for everybody, so that whatever one leaves the next one finds."""
    with pgbouncer(database, default_pool_size=1) as made:
        yield made


def settings_of(connection: Connection[Any]) -> tuple[str, str]:
    """How an ordinary client finds the server's process."""
    row = connection.execute(
        "SELECT current_setting('enable_seqscan'), current_setting('lock_timeout')"
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def test_without_a_pooler_a_connection_keeps_its_state(database: Database) -> None:
    with connect(database) as connection:
        assert lasting(connection) == "session"
        assert connection.prepare_threshold is not None
        assert work_on(connection, database.schema, lock_milliseconds=500) == "session"
        assert settings_of(connection) == ("off", "500ms")


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_a_pooler_is_noticed_in_each_mode(database: Database, mode: str) -> None:
    with pgbouncer(database, pool_mode=mode) as made, connect(made.database) as connection:
        assert lasting(connection) == "transaction"
        assert connection.prepare_threshold is None


def test_a_pooler_is_noticed_by_an_asynchronous_connection(pooler: PgBouncer) -> None:
    async def look() -> tuple[str, int | None]:
        connection = await connect_async(pooler.database)
        async with connection:
            return await lasting_async(connection), connection.prepare_threshold

    assert asyncio.run(look()) == ("transaction", None)


def test_settings_go_with_each_statement_and_stay_with_nobody(pooler: PgBouncer) -> None:
    with connect(pooler.database) as ours, connect(pooler.database) as stranger:
        work_on(ours, pooler.database.schema, lock_milliseconds=500)
        for _ in range(10):
            assert settings_of(ours) == ("off", "500ms")
            assert settings_of(stranger) == ("on", "0")


def test_a_steady_connection_leaves_nothing_behind(pooler: PgBouncer) -> None:
    async def ask() -> list[Any]:
        steady = SteadyConnection(pooler.database, "test")
        try:
            return [await steady.execute(_SETTING) for _ in range(10)]
        finally:
            await steady.close()

    with connect(pooler.database) as stranger:
        assert asyncio.run(ask()) == [[("off",)]] * 10
        assert settings_of(stranger) == ("on", "0")
        assert stranger.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)


def test_an_idle_connection_keeps_no_server_process(database: Database) -> None:
    """Whatever comes late to the pooler of what the driver sends, in a transaction or not."""

    async def ask(steady: SteadyConnection) -> None:
        assert await steady.execute(_SETTING) == [("off",)]
        async with steady.transaction() as execute:
            assert await execute(_SETTING) == await execute(_SETTING) == [("off",)]

    with (
        pgbouncer(database, default_pool_size=1, query_wait_timeout=20) as pooler,
        connect(pooler.database) as stranger,
        slow_line(pooler.database) as late,
        connect(late) as ours,
        asyncio.Runner() as runner,
    ):
        work_on(ours, late.schema, lock_milliseconds=500)
        assert settings_of(ours) == ("off", "500ms")
        assert settings_of(stranger) == ("on", "0")
        with pytest.raises(ServerError):
            ours.execute("SELECT 1 / %s", (0,))
        assert settings_of(stranger) == ("on", "0")
        steady = SteadyConnection(late, "test")
        runner.run(ask(steady))
        assert settings_of(stranger) == ("on", "0")
        runner.run(steady.close())


def test_an_error_is_the_statements_own(pooler: PgBouncer) -> None:
    """And the connection goes on."""
    with connect(pooler.database) as connection:
        work_on(connection, pooler.database.schema, lock_milliseconds=500)
        with pytest.raises(ServerError, match="division by zero"):
            connection.execute("SELECT 1 / %s", (0,))
        assert connection.execute("SELECT %s + 1", (1,)).fetchone() == (2,)


def test_locks_are_waited_for_shortly(database: Database) -> None:
    with (
        pgbouncer(database) as made,
        connect(database, autocommit=False) as holder,
        connect(made.database) as waiting,
    ):
        holder.execute("LOCK TABLE agentic_ai.workers")
        work_on(waiting, database.schema, lock_milliseconds=50)
        with pytest.raises(LockNotAvailable):
            waiting.execute("SELECT FROM agentic_ai.workers")


def test_pools_prepare_nothing(pooler: PgBouncer) -> None:
    """Two clients in turn on one server process: a prepared statement would be another's."""
    one, other = Pool(pooler.database, "one", 1), Pool(pooler.database, "other", 1)
    for _ in range(10):
        for pool in (one, other):
            with pool.connection() as connection:
                assert connection.execute("SELECT %s::int", (3,)).fetchone() == (3,)
    one.close()
    other.close()


def test_asynchronous_pools_prepare_nothing(pooler: PgBouncer) -> None:
    async def ask() -> None:
        pools = [AsyncPool(pooler.database, name, 1) for name in ("one", "other")]
        for _ in range(10):
            for pool in pools:
                async with pool.connection() as connection:
                    cursor = await connection.execute("SELECT %s::int", (3,))
                    assert await cursor.fetchone() == (3,)
        for pool in pools:
            await pool.close()

    asyncio.run(ask())


@pytest.mark.skipif(
    PROGRAM is None or not knows_prepared_statements(),
    reason="this PgBouncer knows no max_prepared_statements (1.21 does)",
)
def test_with_prepared_statements_of_the_pooler_nothing_changes(database: Database) -> None:
    with (
        pgbouncer(database, default_pool_size=1, max_prepared_statements=100) as made,
        connect(made.database) as connection,
    ):
        assert lasting(connection) == "transaction"
        work_on(connection, database.schema, lock_milliseconds=500)
        assert [settings_of(connection) for _ in range(10)] == [("off", "500ms")] * 10
