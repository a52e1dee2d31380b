"""The two clients behind one face, so that each test proves both."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from psycopg import AsyncConnection, Connection

from agentpg.db import Database
from agentpg.settings import Settings
from agentpg.tasks.client import Client
from agentpg.tasks.client_async import AsyncClient


class Blocking:
    """Calls the methods of an asynchronous object and waits for each."""

    def __init__(self, inner: Any, runner: asyncio.Runner) -> None:
        self.inner = inner
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.inner, name)
        return self._waiting(value) if callable(value) else value

    def _waiting(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def calling(*given: Any, **named: Any) -> Any:
            given = tuple(_inner(value) for value in given)
            answer = call(*given, **{name: _inner(value) for name, value in named.items()})
            return self._runner.run(_awaited(answer)) if inspect.isawaitable(answer) else answer

        return calling


class Colour:
    """Makes clients and plain connections of one colour."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._runner = asyncio.Runner()
        self._closing: list[Any] = []

    def client(self, database: Database | str | None, settings: Settings | None = None) -> Any:
        """A Client, or an AsyncClient that is waited for."""
        return self._made(
            Client(database, settings=settings)
            if self.name == "sync"
            else Blocking(AsyncClient(database, settings=settings), self._runner)
        )

    def schedules(self, client: Any) -> Any:
        """The schedules of a client that this made."""
        found = client.schedules
        return found if self.name == "sync" else Blocking(found, self._runner)

    def connect(self, dsn: str, **options: Any) -> Any:
        """A connection as a program without agentpg would open it."""
        if self.name == "sync":
            return self._made(Connection.connect(dsn, **options))
        connecting = AsyncConnection.connect(dsn, **options)
        return self._made(Blocking(self._runner.run(connecting), self._runner))

    def close(self) -> None:
        """Close all that was made."""
        for made in reversed(self._closing):
            made.close()
        self._runner.close()

    def _made(self, thing: Any) -> Any:
        self._closing.append(thing)
        return thing


async def _awaited(answer: Any) -> Any:
    return await answer


def _inner(value: Any) -> Any:
    return value.inner if isinstance(value, Blocking) else value
