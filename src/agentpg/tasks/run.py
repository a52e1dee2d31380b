"""The live object that a handler receives."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, TypeVar

from agentpg.db import Database
from agentpg.errors import HandlerStopped, WrongArgument
from agentpg.language import N_
from agentpg.redaction import redaction_of
from agentpg.settings import Settings
from agentpg.tasks.journal import Telling, severity
from agentpg.tasks.model import Claimed
from agentpg.tasks.redaction import error_text
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
        page: Callable[[], Telling],
    ) -> None:
        self.task = task
        self.settings = settings
        self.database = database
        self._ledger = ledger
        self._loop = loop
        self._stop_reason: str | None = None
        self._called = False
        self._open_page = page
        self._page: Telling | None = None
        self._opening = threading.Lock()

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger whose lines carry the agent, the task and the attempt.

        Those from the setting `task_log_level` on are kept with the task as well, at most
        1000 of an attempt, each cut to 2000 characters, and with keys and passwords as ***.
        """
        task = self.task
        where = {
            "agent": task.agent_name,
            "task_type": task.task_type,
            "task": str(task.id),
            "attempt": task.attempt,
        }
        least = severity(self.settings.task_log_level)
        return _RunLog(logging.getLogger("agentpg.run"), where, self._telling, least)

    def progress(self, fraction: float, text: str = "") -> None:
        """Say how far the work is, from 0 to 1, and in up to 200 characters what it is at.

        Others see it by `agentpg task show --follow` and `Client.progress`. It may be called
        from any thread and as often as you like: about one a second is written, and the last
        one always. What is below 0 or above 1 counts as 0 or 1. Raises WrongArgument, which is
        a TypeError, for what is no number.
        """
        self._telling().progress(_number(fraction), str(text))

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
            redaction=redaction_of(self.settings),
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
    def needs_closing(self) -> bool:
        """Whether the handler has recorded a call or told something; most have not."""
        return self._called or self._page is not None

    async def close(self) -> None:
        """Have the last news written, and mark as lost what the handler left open; called by
        the worker."""
        if self._page is not None:
            await self._page.close()
        if self._called:
            await self._ledger.give_up(self.task.id, self.task.attempt)

    def stop(self, reason: str) -> None:
        """Tell the handler to end; called by the worker."""
        self._stop_reason = reason

    def _telling(self) -> Telling:
        """Where the news go; opened by the first, from whichever thread it comes."""
        page = self._page
        if page is None:
            with self._opening:  # one page, also where two threads come at once
                page = self._page = self._page or self._open_page()
        return page


def _number(fraction: Any) -> float:
    """The fraction as the plain float that is stored, whatever kind of number it was.

    Here and not where it is written: there a wrong one would take others' news with it.
    """
    try:
        return float(fraction)
    except (TypeError, ValueError, OverflowError):
        raise WrongArgument(
            N_("a number from 0 to 1"), what="progress", value=repr(fraction)
        ) from None


class _RunLog(logging.LoggerAdapter[logging.Logger]):
    """Log lines of a handler; they carry its agent, task and attempt."""

    def __init__(
        self,
        logger: logging.Logger,
        extra: Mapping[str, object],
        telling: Callable[[], Telling],
        least: int,
    ) -> None:
        super().__init__(logger, extra)
        self._telling = telling
        self._least = least

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Keep the line with the task if it is severe enough, and log it as usual."""
        if level >= self._least:
            self._telling().line(level, _line(level, msg, args, kwargs.get("exc_info")))
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1
        super().log(level, msg, *args, **kwargs)

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(self.extra or {}), **kwargs.get("extra", {})}
        return msg, kwargs


def _line(level: int, msg: object, args: tuple[Any, ...], exc_info: object) -> str:
    """A log line as text, with its exception in a few words."""
    try:
        text = logging.LogRecord("", level, "", 0, msg, args, None).getMessage()
    except Exception:  # noqa: BLE001 - a line whose arguments do not fit; logging says so
        text = str(msg)
    error = sys.exc_info()[1] if exc_info is True else exc_info
    if isinstance(error, tuple):
        error = error[1]
    return f"{text}: {error_text(error)}" if isinstance(error, BaseException) else text
