"""A connection that comes back, and what it hears meanwhile."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

from agentpg.db import Database, Statements, SteadyConnection, connect
from tests.db.test_pool import end_backends

ASK = Statements("session", "agentic_ai")["backend"]


class Ear:
    """A connection that listens to "work", and whether it has heard something."""

    def __init__(self, database: Database) -> None:
        self.came = asyncio.Event()
        self.connection = SteadyConnection(database, "ear", channel="work", heard=self.came.set)

    async def hears(self, seconds: float = 10) -> bool:
        """Whether something is heard within that time."""
        with self.connection.hearing():
            try:
                async with asyncio.timeout(seconds):
                    await self.came.wait()
            except TimeoutError:
                return False
        self.came.clear()
        return True


def with_ear(database: Database, trying: Callable[[Ear], Awaitable[None]]) -> None:
    async def trial() -> None:
        ear = Ear(database)
        await ear.connection.execute(ASK)
        try:
            await trying(ear)
        finally:
            await ear.connection.close()

    asyncio.run(trial())


def notify(database: Database) -> None:
    with connect(database) as other:
        other.execute("NOTIFY work")


def test_it_hears_while_it_waits_and_between_statements(database: Database) -> None:
    async def trying(ear: Ear) -> None:
        assert ear.connection.listens
        telling = asyncio.create_task(asyncio.to_thread(notify, database))
        assert await ear.hears()
        await telling
        notify(database)
        await ear.connection.execute(ASK)
        assert await ear.hears()
        notify(database)  # while nobody listens and no statement runs
        assert await ear.hears()
        assert not await ear.hears(0.05)

    with_ear(database, trying)


def test_the_loss_of_its_connection_is_heard_and_it_hears_on_another(database: Database) -> None:
    async def trying(ear: Ear) -> None:
        ending = asyncio.create_task(asyncio.to_thread(end_backends, database, "ear"))
        assert await ear.hears()
        await ending
        await ear.connection.insist(ASK)
        notify(database)
        assert await ear.hears()

    with_ear(database, trying)


def test_a_lost_connection_leaves_its_number_to_others(database: Database) -> None:
    async def trying(ear: Ear) -> None:
        loop = asyncio.get_running_loop()
        with ear.connection.hearing():
            await asyncio.to_thread(end_backends, database, "ear")
            await asyncio.wait_for(ear.came.wait(), 10)
            # These take the lowest free numbers, the lost one's among them.
            ours, theirs = zip(*(socket.socketpair() for _ in range(8)), strict=True)
            for one, other in zip(ours, theirs, strict=True):
                one.setblocking(False)
                other.sendall(b"x")
                assert await asyncio.wait_for(loop.sock_recv(one, 1), 10) == b"x"
            for one in (*ours, *theirs):
                one.close()

    with_ear(database, trying)
