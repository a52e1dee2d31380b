"""The driver's errors become ours."""

from __future__ import annotations

import asyncio

import pytest

from agentpg.db import Database, Statements, SteadyConnection, connect
from agentpg.errors import ServerInRecovery, ServerReadOnly
from agentpg.tasks.client import Client


@pytest.fixture
def reading_only(database: Database) -> Database:
    """A database in which transactions only read, although the server is no standby."""
    with connect(database) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
    return database


def test_a_setting_is_not_called_recovery(reading_only: Database) -> None:
    with Client(reading_only) as client, pytest.raises(ServerReadOnly) as raised:
        client.submit("A", "b")
    assert not isinstance(raised.value, ServerInRecovery)
    assert "takes no writes: cannot execute" in str(raised.value)
    assert "default_transaction_read_only" in raised.value.advice()


def test_nor_by_the_connection_of_a_worker(reading_only: Database) -> None:
    async def waking() -> None:
        connection = SteadyConnection(reading_only, "reading only")
        try:
            statement = Statements("upkeep", reading_only.schema)["forget_workers"]
            await connection.execute(statement, {"keep": "1 day"})
        finally:
            await connection.close()

    with pytest.raises(ServerReadOnly) as raised:
        asyncio.run(waking())
    assert not isinstance(raised.value, ServerInRecovery)
