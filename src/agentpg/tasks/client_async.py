"""Submitting, steering and reading tasks."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from agentpg.audit.acting import Action, Actor
from agentpg.db import (
    AsyncConnection,
    AsyncPool,
    Database,
    Statements,
    channel_of,
    class_row,
    configured,
    database_of,
    work_channel_of,
)
from agentpg.errors import (
    InvalidTask,
    NoDatabase,
    TaskFailed,
    TaskNotFound,
    WaitTimedOut,
)
from agentpg.language import N_
from agentpg.sealing import sealer_of
from agentpg.settings import Settings, load_settings
from agentpg.tasks.acting import Acting, together
from agentpg.tasks.agents_client_async import AsyncAgents
from agentpg.tasks.arguments import (
    instance_of,
    name_of,
    number_of_rows,
    optional_seconds,
    optional_text,
    task_id_of,
    text_of,
)
from agentpg.tasks.encoding import decode_payload
from agentpg.tasks.gathering import AsyncGathering
from agentpg.tasks.lifecycle import (
    field_sealed,
    wrong_state,
)
from agentpg.tasks.model import Execution, LlmRequest, NewTask, Progress, Task, TaskEvent
from agentpg.tasks.schedules_client_async import AsyncSchedules
from agentpg.tasks.sealed import (
    opened_end,
    opened_event,
    opened_log_text,
    opened_task,
)
from agentpg.tasks.submissions_async import AsyncSubmissions

# `wait` looks often at first, for short tasks, and then once a second.
_FIRST_LOOK = 0.02
_LONGEST_LOOK = 1.0


class AsyncClient(AsyncAgents, AsyncSubmissions):
    """Submits, steers and reads the tasks of one installation.

    `database` is a Database or a libpq connection string; by default the one that the
    settings or libpq's own variables name. Use it as a context manager, or call `close`.

        async with AsyncClient() as client:
            task_id = await client.submit("Greeter", "greet", {"name": "Kim"})
            task = await client.wait(task_id)

    `client.schedules` adds, steers and reads schedules. With an `actor`, a person for whom it acts,
    all that steers tasks, agents and schedules is an entry of the audit log, in the same
    transaction; the work of programs is none. Every method raises
    DatabaseUnavailable or one of its kinds when the server cannot be reached, and
    WrongArgument for a value that it cannot use. What the settings have sealed is sealed and
    opened here; what cannot be opened is a `Sealed`, or the text "(sealed)". Raises
    SealingKeysUnusable where its keys cannot be used.
    """

    def __init__(
        self,
        database: Database | str | None = None,
        *,
        settings: Settings | None = None,
        actor: Actor | None = None,
    ) -> None:
        self._settings = settings or load_settings()
        self._sealer = sealer_of(self._settings)
        self._database = _database(database, self._settings)
        self._pool = AsyncPool(
            self._database, "agentpg client", self._settings.pool_size, decode_payload
        )
        self._gathering = AsyncGathering(self.submit_many)
        self._lifecycle = Statements("lifecycle", self._database.schema)
        self._lookup = Statements("lookup", self._database.schema)
        self._limits = Statements("limits", self._database.schema)
        self._channel = channel_of(self._database.schema)
        self._work_channel = work_channel_of(self._database.schema)
        self._acting = Acting(self._database.schema, actor)
        self.schedules = AsyncSchedules(
            self._pool,
            self._database.schema,
            self._settings.payload_limit,
            self._sealer,
            self._acting,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    async def submit(
        self,
        agent_name: str,
        task_type: str,
        payload: Any = None,
        *,
        priority: int = 100,
        run_at: datetime | None = None,
        delay: timedelta | None = None,
        idempotency_key: str | None = None,
        max_attempts: int | None = None,
        on_crash: str = "retry",
        tenant: str | None = None,
        parent_id: UUID | None = None,
        on_behalf_of: str | None = None,
        connection: AsyncConnection[Any] | None = None,
    ) -> UUID:
        """Submit one task and return its id; NewTask says what the options mean.

        It is submitted by the role that is logged in, or `on_behalf_of` an account, where the role
        may write the column submitted_by: the owner and web may, and client may not.

        With a `connection` of yours the task is part of your transaction, which you commit;
        what psycopg raises there stays psycopg's. Raises InvalidTask or one of its kinds for
        a task that cannot be submitted, and IdempotencyConflict when the key was used for
        another payload.
        """
        task = NewTask(
            agent_name=agent_name,
            task_type=task_type,
            payload=payload,
            priority=priority,
            run_at=run_at,
            delay=delay,
            idempotency_key=idempotency_key,
            max_attempts=max_attempts,
            on_crash=on_crash,
            tenant=tenant,
            parent_id=parent_id,
        )
        if connection is not None or idempotency_key is not None or on_behalf_of is not None:
            many = await self.submit_many([task], on_behalf_of=on_behalf_of, connection=connection)
            return many[0]
        return await self._gathering.submit(task)

    async def submit_many(
        self,
        tasks: Sequence[NewTask],
        *,
        on_behalf_of: str | None = None,
        connection: AsyncConnection[Any] | None = None,
    ) -> list[UUID]:
        """Submit many tasks, all or none, and return their ids in the same order.

        `on_behalf_of` is as in `submit`. Raises PermissionDenied where the role may not say it.
        """
        for task in tasks:
            instance_of(NewTask, "task", task, N_("a NewTask"))
        try:
            if on_behalf_of is not None:
                return await self._submit_for(name_of(on_behalf_of), tasks, connection)
            return await self._submit_all(tasks, connection)
        except InvalidTask as error:
            clear = self._sealer and field_sealed(self._sealer, tasks, error)
            if not clear:
                raise
            raise clear from None

    async def get(self, task_id: UUID) -> Task:
        """The task as it is now. Raises TaskNotFound."""
        wanted = task_id_of(task_id)
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(Task))
            await cursor.execute(self._lookup["get_task"], {"id": wanted})
            task = await cursor.fetchone()
        if task is None:
            raise TaskNotFound(task_id=task_id)
        return opened_task(self._sealer, task)

    async def find(
        self,
        *,
        agent_name: str | None = None,
        task_type: str | None = None,
        status: str | None = None,
        held: bool | None = None,
        submitted_by: str | None = None,
        limit: int = 100,
    ) -> list[Task]:
        """The newest tasks that match, the newest first."""
        wanted = {
            "agent_name": optional_text("agent_name", agent_name),
            "task_type": optional_text("task_type", task_type),
            "status": optional_text("status", status),
            "held": None if held is None else instance_of(bool, "held", held, N_("a bool")),
            "submitted_by": optional_text("submitted_by", submitted_by),
            "limit": number_of_rows("limit", limit),
        }
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(Task))
            await cursor.execute(self._lookup["list_tasks"], wanted)
            tasks = await cursor.fetchall()
        return [opened_task(self._sealer, task) for task in tasks]

    async def executions(self, task_id: UUID) -> list[Execution]:
        """The tries of a task, in order."""
        wanted = {"id": task_id_of(task_id)}
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(Execution))
            await cursor.execute(self._lookup["executions"], wanted)
            executions = await cursor.fetchall()
        return [opened_end(self._sealer, execution) for execution in executions]

    async def llm_requests(self, task_id: UUID) -> list[LlmRequest]:
        """The calls to language models of a task, in order."""
        wanted = {"id": task_id_of(task_id)}
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(LlmRequest))
            await cursor.execute(self._lookup["llm_requests"], wanted)
            calls = await cursor.fetchall()
        return [opened_end(self._sealer, call) for call in calls]

    async def progress(self, task_id: UUID) -> Progress | None:
        """How far the newest attempt of a task says it is; None if it has not said."""
        wanted = {"id": task_id_of(task_id)}
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(Progress))
            await cursor.execute(self._lookup["progress"], wanted)
            progress = await cursor.fetchone()
        if progress is None:
            return None
        text = opened_log_text(self._sealer, progress.text, wanted["id"])
        return dataclasses.replace(progress, text=text)

    async def events(
        self, task_id: UUID, *, after: TaskEvent | None = None, limit: int = 1000
    ) -> list[TaskEvent]:
        """The log lines that are kept with a task, in order; `after` is the last one known."""
        if after is not None:
            instance_of(TaskEvent, "after", after, N_("a TaskEvent"))
        since = (after.attempt, after.number) if after is not None else (0, 0)
        wanted = {
            "id": task_id_of(task_id),
            "attempt": since[0],
            "number": since[1],
            "limit": number_of_rows("limit", limit),
        }
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(TaskEvent))
            await cursor.execute(self._lookup["task_events"], wanted)
            events = await cursor.fetchall()
        return [opened_event(self._sealer, event) for event in events]

    async def wait(
        self, task_id: UUID, *, timeout: timedelta | None = None, check: bool = True
    ) -> Task:
        """Wait until the task has ended and return it.

        Raises TaskFailed if it ended otherwise than completed, unless `check` is False, and
        WaitTimedOut when it has not ended within `timeout` (by default it waits for ever).
        """
        patience = optional_seconds("timeout", timeout)
        deadline = None if patience is None else time.monotonic() + patience
        look = _FIRST_LOOK
        while True:
            task = await self.get(task_id)
            if task.finished:
                return _checked(task) if check else task
            if deadline is not None and time.monotonic() >= deadline:
                raise WaitTimedOut(task_id=task_id, status=task.status, seconds=f"{patience:g}")
            await asyncio.sleep(look)
            look = min(look * 1.5, _LONGEST_LOOK)

    async def cancel(self, task_id: UUID, *, reason: str | None = None) -> str:
        """Cancel a task and return its state now.

        One that waits is "cancelled" at once; one that runs is "running" until its handler
        has ended. Raises TaskNotFound, and WrongState if it has ended already.
        """
        return await self._steer("cancel", task_id, "cancelled", reason=reason)

    async def retry(self, task_id: UUID) -> str:
        """Open a finished task again: the same task, with its error counters at zero.

        Raises TaskNotFound, and WrongState if it has not ended.
        """
        return await self._steer("retry", task_id, "retried")

    async def hold(self, task_id: UUID, *, reason: str) -> str:
        """Keep a pending task from being claimed until it is released.

        Raises TaskNotFound, and WrongState if it is not pending.
        """
        text_of("reason", reason)
        return await self._steer("hold", task_id, "held", reason=reason)

    async def release(self, task_id: UUID) -> str:
        """Let a held task be claimed. Raises TaskNotFound, and WrongState if it is not held."""
        return await self._steer("release", task_id, "released")

    async def _steer(
        self, statement: str, task_id: UUID, action: str, reason: str | None = None
    ) -> str:
        values = {
            "id": task_id_of(task_id),
            "reason": optional_text("reason", reason),
            "channel": self._channel,
            "work_channel": self._work_channel,
        }
        async with self._pool.connection() as connection, together(self._acting, connection):
            cursor = await connection.execute(self._lifecycle[statement], values)
            row = await cursor.fetchone()
            if row is not None:
                await self._note(
                    connection, Action(f"task.{statement}"), str(task_id), reason=reason
                )
        if row is None:
            raise wrong_state(task_id, (await self.get(task_id)).status, action)
        return str(row[1])


def _database(database: Database | str | None, settings: Settings) -> Database:
    if isinstance(database, Database):
        return database
    if database is not None:
        dsn = text_of("database", database)
        return database_of(dsn, settings)
    found = configured(settings)
    if found is None:
        raise NoDatabase
    return found


def _checked(task: Task) -> Task:
    if task.status != "completed":
        raise TaskFailed(task.error_message or "", task_id=task.id, status=task.status)
    return task
