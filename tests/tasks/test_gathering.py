"""Submissions at the same time go together, and each caller gets its own answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest

from agentpg.db import Connection, Database, connect
from agentpg.errors import DatabaseUnavailable, InvalidTask, PayloadNotJson
from agentpg.schema import migrate
from agentpg.settings import load_settings
from agentpg.tasks.client_async import AsyncClient
from tests.servers import OwnServers
from tests.tasks.engine import Engine

Answer = UUID | BaseException


def together(
    database: Database, calling: Callable[[AsyncClient], Awaitable[list[Answer]]]
) -> list[Answer]:
    async def run() -> list[Answer]:
        async with AsyncClient(database, settings=load_settings(pool_size=4)) as client:
            await client.find(limit=1)  # the pool is open
            return await calling(client)

    return asyncio.run(run())


async def submitting(client: AsyncClient, payloads: list[Any]) -> list[Answer]:
    calls = [client.submit("A", "t", payload) for payload in payloads]
    return await asyncio.gather(*calls, return_exceptions=True)


def statements(connection: Connection[Any]) -> int:
    """How many transactions have written to the table of tasks."""
    rows = connection.execute("SELECT count(DISTINCT xmin::text) FROM agentic_ai.tasks").fetchone()
    assert rows is not None
    return int(rows[0])


def test_concurrent_callers_share_a_statement(engine: Engine) -> None:
    answers = together(engine.database, lambda client: submitting(client, list(range(50))))
    payloads = dict(engine.ask("SELECT id, payload FROM tasks"))
    assert [payloads.get(answer) for answer in answers] == list(range(50))
    with connect(engine.database) as connection:
        assert statements(connection) < 10


def test_whoever_is_refused_is_refused_alone(engine: Engine) -> None:
    # The server's own word, which only the statement brings to light.
    engine.ask("ALTER TABLE tasks ADD CONSTRAINT no_seven CHECK (payload <> '7')")
    payloads: list[Any] = [*range(20), {1, 2}]
    answers = together(engine.database, lambda client: submitting(client, payloads))
    assert isinstance(answers[7], InvalidTask)
    assert isinstance(answers[20], PayloadNotJson)
    others = [answer for n, answer in enumerate(answers) if n not in (7, 20)]
    assert all(isinstance(answer, UUID) for answer in others)
    assert engine.ask("SELECT count(*) FROM tasks") == [(19,)]


def test_a_caller_that_gives_up_takes_nobody_with_it(engine: Engine) -> None:
    async def calling(client: AsyncClient) -> list[Answer]:
        with connect(engine.database, autocommit=False) as blocking:
            blocking.execute("LOCK TABLE agentic_ai.tasks IN SHARE MODE")
            calls = [asyncio.ensure_future(client.submit("A", "t", n)) for n in range(12)]
            await asyncio.sleep(0)  # the first is under way, the others wait for it
            for given_up in (calls[0], calls[1], calls[5]):
                given_up.cancel()
            with suppress(asyncio.CancelledError):
                await calls[0]
            blocking.rollback()
        return await asyncio.gather(*calls, return_exceptions=True)

    answers = together(engine.database, calling)
    for n, answer in enumerate(answers):
        if n in (0, 1, 5):
            assert isinstance(answer, asyncio.CancelledError)
        else:
            assert engine.ask("SELECT payload FROM tasks WHERE id = %s", answer) == [(n,)]


def test_a_lost_server_loses_what_was_under_way_and_nothing_else(own_server: OwnServers) -> None:
    server = own_server()
    server.start()
    database = Database(server.dsn())
    migrate(database)

    async def calling(client: AsyncClient) -> list[Answer]:
        blocking = connect(database, autocommit=False)
        blocking.execute("LOCK TABLE agentic_ai.tasks IN SHARE MODE")
        calls = [asyncio.ensure_future(client.submit("A", "t", n)) for n in range(5)]
        await asyncio.sleep(0)
        await asyncio.to_thread(server.stop, "immediate")
        blocking.close()
        await asyncio.to_thread(server.start)
        return await asyncio.gather(*calls, return_exceptions=True)

    first, *others = together(database, calling)
    assert isinstance(first, DatabaseUnavailable)
    with connect(database) as connection:
        rows = connection.execute("SELECT id FROM agentic_ai.tasks ORDER BY payload").fetchall()
    assert [row[0] for row in rows] == others


@pytest.mark.parametrize("number", [1, 3])
def test_one_after_the_other_works_as_well(engine: Engine, number: int) -> None:
    async def calling(client: AsyncClient) -> list[Answer]:
        return [await client.submit("A", "t", n) for n in range(number)]

    answers = together(engine.database, calling)
    assert len(set(answers)) == number
