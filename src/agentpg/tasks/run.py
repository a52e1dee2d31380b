"""The live object that a handler receives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import MutableMapping
from typing import Any, TypeVar

from agentpg.db import Database
from agentpg.errors import HandlerStopped
from agentpg.settings import Settings
from agentpg.tasks.model import Claimed
from agentpg.tasks.usage import Ledger, LlmCall
from agentpg.tasks.wrapping import wrap_client

Client = TypeVar("Client")


class Run:
    """One attempt, seen from inside the handler.

    `task` is what was claimed. `settings` and `database` are those of the worker.
    """

    def __init__(
        self,
        task: Claimed,
        *,
        settings: Settings,
        database: Database,
        ledger: Ledger,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.task = task
        self.settings = settings
        self.database = database
        self._ledger = ledger
        self._loop = loop
        self._stop_reason: str | None = None
        self._called = False

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger whose lines carry the agent, the task and the attempt."""
        task = self.task
        where = {
            "agent": task.agent_name,
            "task_type": task.task_type,
            "task": str(task.id),
            "attempt": task.attempt,
        }
        return _RunLog(logging.getLogger("agentpg.run"), where)

    def llm_call(self, *, provider: str, model: str) -> LlmCall:
        """Record one call to a language model.

        Use it as a context manager around the call, `async with` in an async handler and
        `with` in a sync one, and give it the answer:

            async with run.llm_call(provider="openai", model="gpt-4o-mini") as call:
                call.answer(await client.chat.completions.create(...))

        A row is inserted before the call starts and closed after it ended, also when it
        raised or when its answer never came.
        """
        self._called = True
        return LlmCall(
            self._ledger,
            self.task,
            self._loop,
            provider=provider,
            model=model,
            check=self.check,
        )

    def wrap(self, client: Client) -> Client:
        """A client of `openai` or `anthropic`, sync or async, whose calls are recorded."""
        return wrap_client(client, self.llm_call)

    @property
    def stopping(self) -> bool:
        """Whether this attempt should end: cancelled, out of time, or the worker stops."""
        return self._stop_reason is not None

    def check(self) -> None:
        """Raise HandlerStopped if this attempt should end; for loops of sync handlers."""
        if self._stop_reason is not None:
            raise HandlerStopped(self._stop_reason)

    @property
    def has_called(self) -> bool:
        """Whether a call to a language model was to be recorded."""
        return self._called

    async def close(self) -> None:
        """Mark as lost what the handler left open; called by the worker."""
        await self._ledger.give_up(self.task.id, self.task.attempt)

    def stop(self, reason: str) -> None:
        """Tell the handler to end; called by the worker."""
        self._stop_reason = reason


class _RunLog(logging.LoggerAdapter[logging.Logger]):
    """Log lines of a handler; they carry its agent, task and attempt."""

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(self.extra or {}), **kwargs.get("extra", {})}
        return msg, kwargs
