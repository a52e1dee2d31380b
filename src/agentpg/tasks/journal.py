"""What attempts tell while they run: how far they are, and the log lines that are kept."""

from __future__ import annotations

import asyncio
import logging
import math
import sys
import threading
import time
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from agentpg.db import Statements, SteadyConnection
from agentpg.redaction import SECRETS_ALONE, Redaction
from agentpg.sealing import Sealer
from agentpg.tasks.model import Claimed
from agentpg.tasks.pace import until
from agentpg.tasks.redaction import without_secrets
from agentpg.tasks.sealed import sealed_log_text

_log = logging.getLogger("agentpg.journal")

# So many lines of an attempt are kept, each of so many characters at most.
MOST_LINES = 1000
LONGEST_LINE = 2000
_LONGEST_TEXT = 200

# What is told within a second goes into one write.
_PACE_SECONDS = 1.0

# The end of an attempt waits so long for the last of it to be written.
_CLOSING_SECONDS = 5.0

_SEVERITIES = {
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}


class Telling(Protocol):
    """What a run tells its news to; from any thread, and at any rate."""

    def progress(self, fraction: float, text: str) -> None:
        """How far the attempt is."""

    def line(self, level: int, message: str) -> None:
        """A log line."""

    async def close(self) -> None:
        """The attempt has ended."""


class Line(NamedTuple):
    """A log line that waits to be written; `at` is on the monotonic clock."""

    number: int
    at: float
    level: str
    message: str


class Page:
    """What one attempt tells. Only the newest progress is written, and all lines."""

    def __init__(self, journal: Journal, task: Claimed, worker: UUID) -> None:
        self.task_id, self.attempt, self.worker = task.id, task.attempt, worker
        self._names = (task.agent_name, task.task_type)
        self.written = asyncio.Event()
        self.written.set()
        self._journal = journal
        self._lock = threading.Lock()
        self._lines: list[Line] = []
        self._told = 0
        self._newest: tuple[float, str] | None = None
        self._taken: tuple[float, str] | None = None
        self._attends = False

    def progress(self, fraction: float, text: str) -> None:
        """How far the attempt is; costs next to nothing where it was told just now."""
        self._newest = (fraction, text)
        self._call_attention()

    def line(self, level: int, message: str) -> None:
        """A log line; it is dropped if it is one too many."""
        with self._lock:
            self._told += 1
            if self._told > MOST_LINES + 1:
                return
            if self._told > MOST_LINES:
                level, message = logging.WARNING, f"only {MOST_LINES} lines of an attempt are kept"
            hidden = self._journal.redaction
            text = without_secrets(message, longest=LONGEST_LINE, redaction=hidden)
            self._lines.append(Line(self._told, time.monotonic(), _name_of(level), text))
        self._call_attention()

    async def close(self) -> None:
        """Have what was told last written, within 5 seconds; later it is still tried."""
        if not self.written.is_set():
            self._journal.hurry()
            await until(self.written, seconds=_CLOSING_SECONDS)

    def sealed(self, sealer: Sealer | None, text: str) -> str:
        """One of its texts as it is stored."""
        return sealed_log_text(sealer, *self._names, self.task_id, text)

    def short(self, text: str) -> str:
        """The text of its progress, cut and without secrets."""
        return without_secrets(text, longest=_LONGEST_TEXT, redaction=self._journal.redaction)

    def take(self) -> tuple[tuple[float, str] | None, list[Line]]:
        """What is new since the last time."""
        self._attends = False  # first, so that what is told from now on is attended to again
        newest = self._newest
        changed = newest if newest is not self._taken else None
        self._taken = newest
        with self._lock:
            lines, self._lines = self._lines, []
        return changed, lines

    @property
    def has_news(self) -> bool:
        """Whether something was told since the last time."""
        return self._attends

    def _call_attention(self) -> None:
        if not self._attends:
            self._attends = True
            self.written.clear()
            self._journal.attend(self)


class Journal:
    """Writes what pages have: at once, and then once a second at most.

    Belongs to one event loop. While the database is away, what is told
    waits; of the progress only the newest.
    """

    def __init__(
        self,
        connection: SteadyConnection,
        schema: str,
        sealer: Sealer | None = None,
        redaction: Redaction = SECRETS_ALONE,
    ) -> None:
        self._connection = connection
        self._sealer = sealer
        self.redaction = redaction
        self._sql = Statements("journal", schema)
        self._pace = _PACE_SECONDS
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[Page, None] = {}
        self._writing: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    def page(self, task: Claimed, worker: UUID) -> Page:
        """A page for one attempt, held by that worker; from any thread."""
        return Page(self, task, worker)

    def begin(self) -> None:
        """From now on this is the event loop that writes."""
        self._loop = asyncio.get_running_loop()

    def attend(self, page: Page) -> None:
        """There is something new on this page; from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._add, page)

    def hurry(self) -> None:
        """Write without a pause: somebody waits."""
        self._hurry.set()

    async def drain(self, seconds: float) -> None:
        """Write without pauses from now on, and wait for it at most so long."""
        self._pace = 0.0
        self.hurry()
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=seconds)
            self._writing.cancel()

    def _add(self, page: Page) -> None:
        page.written.clear()
        self._waiting[page] = None
        if self._writing is None or self._writing.done():
            self._writing = asyncio.ensure_future(self._write_all())

    async def _write_all(self) -> None:
        while self._waiting:
            self._hurry.clear()
            pages, self._waiting = list(self._waiting), {}
            await self._write(pages)
            for page in pages:
                if page not in self._waiting and not page.has_news:
                    page.written.set()
            await until(self._hurry, seconds=self._pace)

    async def _write(self, pages: list[Page]) -> None:
        news = [(page, *page.take()) for page in pages]
        progress = [(page, newest) for page, newest, _ in news if newest is not None]
        lines = [(page, line) for page, _, new in news for line in new]
        try:
            # In this order, so that a line is not later than the progress that was told after it.
            if lines:
                columns = _columns(lines, self._sealer)
                await self._connection.insist(self._sql["keep_lines"], columns)
            if progress:
                columns = _fractions(progress, self._sealer)
                await self._connection.insist(self._sql["note_progress"], columns)
        except Exception:  # noqa: BLE001 - no handler's result depends on it
            _log.exception("the progress or the log lines of %s tasks were not written", len(news))


def _fractions(
    news: list[tuple[Page, tuple[float, str]]], sealer: Sealer | None
) -> dict[str, list[Any]]:
    texts = [page.short(text) for page, (_, text) in news]
    return {
        **_names([page for page, _ in news]),
        "fractions": [_within(fraction) for _, (fraction, _) in news],
        "texts": [page.sealed(sealer, text) for (page, _), text in zip(news, texts, strict=True)],
    }


def _columns(lines: list[tuple[Page, Line]], sealer: Sealer | None) -> dict[str, list[Any]]:
    now = time.monotonic()
    return {
        **_names([page for page, _ in lines]),
        "numbers": [line.number for _, line in lines],
        "ages": [now - line.at for _, line in lines],
        "levels": [line.level for _, line in lines],
        "messages": [page.sealed(sealer, line.message) for page, line in lines],
    }


def _names(pages: list[Page]) -> dict[str, list[Any]]:
    return {
        "ids": [page.task_id for page in pages],
        "attempts": [page.attempt for page in pages],
        "workers": [page.worker for page in pages],
    }


def _within(fraction: float) -> float | None:
    """The fraction, made to fit 0 to 1; None where it is no number."""
    return None if math.isnan(fraction) else min(max(fraction, 0.0), 1.0)


def severity(name: str) -> int:
    """The level from which on lines are kept, for a value of the setting; no line has that
    of "off"."""
    return sys.maxsize if name == "off" else _SEVERITIES[name]


def _name_of(level: int) -> str:
    """The name under which a level is kept.

    >>> _name_of(logging.CRITICAL), _name_of(25), _name_of(5)
    ('error', 'info', 'debug')
    """
    return next((name for name, least in _SEVERITIES.items() if level >= least), "debug")
