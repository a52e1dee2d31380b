"""How fast a worker gets on, and how it waits."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from typing import Any

# The rate is looked at ten times a second: often enough to follow, rarely enough to be even.
_WINDOW_SECONDS = 0.1


class Rate:
    """How many attempts end in a second, lately; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ended = 0
        self._per_second = 0.0
        self._since: float | None = None

    def count(self) -> None:
        """One more has ended."""
        self._ended += 1

    def forget(self) -> None:
        """Expect nothing: what was done lately says nothing of what comes."""
        self._ended, self._per_second = 0, 0.0

    def expected(self, seconds: float) -> int:
        """How many will end within so many seconds, if it goes on like this."""
        now = self._clock()
        if self._since is None:
            self._since = now
        elapsed = now - self._since
        if elapsed >= _WINDOW_SECONDS:
            self._per_second = (self._per_second + self._ended / elapsed) / 2
            self._ended, self._since = 0, now
        return int(self._per_second * seconds)


def spread(seconds: float, share: float) -> float:
    """A wait that is randomly up to `share` shorter or longer, so that many do not go in step."""
    return seconds * random.uniform(1 - share, 1 + share)  # noqa: S311 - no secret


async def until(
    *events: asyncio.Event,
    tasks: Iterable[asyncio.Task[Any]] = (),
    seconds: float | None = None,
) -> None:
    """Wait until one of the events is set, all the tasks are done, or the time is over."""
    signs: list[asyncio.Future[Any]] = [asyncio.ensure_future(event.wait()) for event in events]
    tasks = list(tasks)
    if tasks:
        signs.append(asyncio.ensure_future(asyncio.wait(tasks)))
    try:
        await asyncio.wait(signs, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for sign in signs:
            sign.cancel()
