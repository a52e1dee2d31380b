"""Storing what is submitted, in one statement, in a pipeline, or in a transaction of the caller."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from agentpg.db import AsyncConnection, AsyncCursor, AsyncPool, Statements, TupleRow, tuple_row
from agentpg.sealing import Sealer
from agentpg.settings import Settings
from agentpg.tasks.lifecycle import (
    conflict_or_ids,
    is_one_statement,
    is_plain,
    plain_submission,
    repeated,
    single,
    submissions,
    without_keys,
)
from agentpg.tasks.model import NewTask
from agentpg.tasks.sealed import same_payload


class AsyncSubmissions:
    """What a client's submit does with the database: part of a client."""

    _pool: AsyncPool
    _lifecycle: Statements
    _settings: Settings
    _sealer: Sealer | None

    async def _submit_all(
        self, tasks: Sequence[NewTask], connection: AsyncConnection[Any] | None
    ) -> list[UUID]:
        if connection is None and is_plain(tasks):
            return [await self._submit_plain(tasks[0])]
        batches = submissions(tasks, self._settings.payload_limit, self._sealer)
        if connection is not None:
            return await self._submit(connection, batches)
        if is_one_statement(tasks):
            made = list(batches)  # before a connection is borrowed
            async with self._pool.connection() as own:
                return await self._submit(own, made)
        async with self._pool.connection() as own, own.transaction(), own.pipeline():
            return await self._submit(own, batches)

    async def _submit_for(
        self, account: str, tasks: Sequence[NewTask], connection: AsyncConnection[Any] | None
    ) -> list[UUID]:
        batches = list(submissions(tasks, self._settings.payload_limit, self._sealer))
        if connection is not None and not connection.autocommit:
            # The caller's transaction, which begins here where it has not begun.
            return await self._submit_signed(connection, account, batches)
        if connection is not None:
            async with connection.transaction():
                return await self._submit_signed(connection, account, batches)
        async with self._pool.connection() as own, own.transaction():
            return await self._submit_signed(own, account, batches)

    async def _submit_signed(
        self, connection: AsyncConnection[Any], account: str, batches: list[dict[str, Any]]
    ) -> list[UUID]:
        ids = await self._submit(connection, batches)
        await connection.execute(self._lifecycle["sign"], {"ids": ids, "account": account})
        return ids

    async def _submit_plain(self, task: NewTask) -> UUID:
        parameters = plain_submission(task, self._settings.payload_limit, self._sealer)
        async with self._pool.connection() as connection:
            await connection.execute(self._lifecycle["submit_plain"], parameters)
        task_id: UUID = parameters["id"]
        return task_id

    async def _submit(
        self, connection: AsyncConnection[Any], batches: Iterable[dict[str, Any]]
    ) -> list[UUID]:
        # The caller's connection may be set to other rows than tuples.
        cursor = connection.cursor(row_factory=tuple_row)
        ids: list[UUID] = []
        for parameters in batches:
            if quick := without_keys(parameters):
                statement, values = quick
                await cursor.execute(self._lifecycle[statement], values)
                ids += parameters["ids"]
            else:
                ids += await self._submit_some(cursor, parameters)
        return ids

    async def _submit_some(
        self, cursor: AsyncCursor[TupleRow], parameters: dict[str, list[Any]]
    ) -> list[UUID]:
        """Submit what may have been submitted before, under the same keys."""
        if len(parameters["ids"]) == 1:
            await cursor.execute(self._lifecycle["submit_one"], single(parameters))
        else:
            await cursor.execute(self._lifecycle["submit"], parameters)
        inserted = {row[0] for row in await cursor.fetchall()}
        first: list[tuple[UUID, UUID, bool]] = []  # repeated, first, whether the same
        if len(inserted) < len(parameters["ids"]):
            again = repeated(parameters, inserted)
            await cursor.execute(self._lifecycle["find_first"], again)
            first = self._compared(again, await cursor.fetchall())
        return conflict_or_ids(parameters["ids"], inserted, first, parameters)

    def _compared(
        self, again: dict[str, list[Any]], found: list[TupleRow]
    ) -> list[tuple[UUID, UUID, bool]]:
        """What was found of keys that were used; sealed payloads are compared opened."""
        news = {new: place for place, new in enumerate(again["ids"])}
        compared = []
        for repeated_id, first_id, same, stored in found:
            if stored is not None and self._sealer is not None:
                place = news[repeated_id]
                names = (again["agent_names"][place], again["task_types"][place])
                new = (repeated_id, again["payloads"][place] or "null")
                same = same_payload(self._sealer, *names, (first_id, stored), new)  # noqa: PLW2901
            compared.append((repeated_id, first_id, same))
        return compared
