"""Limiting, pausing and resuming agents.

Generated from agents_client_async.py by tools/generate_client.py; change that one.
"""

from __future__ import annotations

from typing import Any

from agentpg.audit.acting import Action
from agentpg.db import Connection, Pool, Statements, class_row
from agentpg.errors import LimitNotFound, NotPaused
from agentpg.language import N_
from agentpg.sealing import Sealer
from agentpg.tasks.acting import Acting, together
from agentpg.tasks.arguments import instance_of, optional_text, text_of
from agentpg.tasks.limits import (
    DeclaredLimit,
    Limit,
    PausedAgent,
    check_sealed,
    limit_key,
    pause_values,
)


class Agents:
    """The agents of one installation, as all its workers treat them: part of a client."""

    _pool: Pool
    _limits: Statements
    _sealer: Sealer | None
    _acting: Acting
    _work_channel: str

    def limit(self, limit: Limit) -> None:
        """Set a limit for all workers, or change the one for the same tasks and key.

        It holds from the next claim of each worker on. What runs goes on. Raises FieldSealed for
        one that counts by a field of a payload that is sealed.
        """
        wanted = instance_of(Limit, "limit", limit, N_("a Limit")).parameters()
        check_sealed(limit, self._sealer)
        with self._pool.connection() as connection, together(self._acting, connection):
            connection.execute(self._limits["set"], wanted)
            connection.execute(self._limits["tell"], {"channel": self._work_channel})
            self._note(connection, Action.AGENT_LIMIT, limit.agent_name, **wanted)

    def remove_limit(
        self, agent_name: str, *, task_type: str | None = None, key: str | None = None
    ) -> None:
        """Lift a limit. One that code declares comes back when a worker with it starts.

        Raises LimitNotFound.
        """
        which = limit_key(
            text_of("agent_name", agent_name),
            optional_text("task_type", task_type),
            optional_text("key", key),
        )
        with self._pool.connection() as connection, together(self._acting, connection):
            cursor = connection.execute(self._limits["remove"], which)
            found = cursor.fetchone()
            connection.execute(self._limits["tell"], {"channel": self._work_channel})
            if found is not None:
                self._note(connection, Action.AGENT_LIMIT, agent_name, removed=True, **which)
        if found is None:
            tasks = f"{agent_name}/{task_type}" if task_type else agent_name
            by_key = f" ({key})" if key else ""
            raise LimitNotFound(tasks=tasks, key=by_key, agent_name=agent_name)

    def limits(self, agent_name: str | None = None) -> list[DeclaredLimit]:
        """All limits, or those of one agent."""
        wanted = {"agent_name": optional_text("agent_name", agent_name)}
        with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(DeclaredLimit))
            cursor.execute(self._limits["list"], wanted)
            return cursor.fetchall()

    def pause(self, agent_name: str, *, reason: str | None = None) -> bool:
        """Have nobody claim an agent's tasks; False if it is paused already.

        What runs goes on, and new tasks wait. Raises InvalidAgent for what is no name.
        """
        values = pause_values(agent_name, reason)
        with self._pool.connection() as connection, together(self._acting, connection):
            cursor = connection.execute(self._limits["pause"], values)
            paused = cursor.fetchone() is not None
            if paused:
                self._note(connection, Action.AGENT_PAUSE, agent_name, reason=reason)
        return paused

    def resume(self, agent_name: str) -> None:
        """Have an agent's tasks claimed again. Raises NotPaused, and InvalidAgent."""
        with self._pool.connection() as connection, together(self._acting, connection):
            cursor = connection.execute(self._limits["resume"], pause_values(agent_name))
            found = cursor.fetchone()
            connection.execute(self._limits["tell"], {"channel": self._work_channel})
            if found is not None:
                self._note(connection, Action.AGENT_RESUME, agent_name)
        if found is None:
            raise NotPaused(agent_name=agent_name)

    def paused(self) -> list[PausedAgent]:
        """The agents that are paused."""
        with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(PausedAgent))
            cursor.execute(self._limits["paused"])
            return cursor.fetchall()

    def _note(
        self, connection: Connection[Any], action: Action, about: str, /, **details: object
    ) -> None:
        if entry := self._acting.entry(action, about, details):
            connection.execute(*entry)
