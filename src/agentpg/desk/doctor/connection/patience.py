"""How long all may take: each step is given what is left, up to its own limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

T = TypeVar("T")

# A step that is begun gets this much even when the time is over, so that what is near is seen.
_LEAST_SECONDS = 0.2


class Patience:
    """The time that is left."""

    def __init__(self, limit: timedelta) -> None:
        self._end = time.monotonic() + limit.total_seconds()

    def seconds(self, most: float) -> float:
        """How long the next step may take, at most so many seconds."""
        return max(min(most, self._end - time.monotonic()), _LEAST_SECONDS)


def within(seconds: float, look: Callable[[], T]) -> T | None:
    """What `look` gives, or None where it takes longer; it then goes on unheard.

    For what has no limit of its own, such as asking for a name. What it raises is raised here.
    """
    given: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            given.append(look())
        except BaseException as error:  # noqa: BLE001 - handed to the one who waits
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    return given[0] if given else None


def together(looks: list[Callable[[], T]]) -> list[T]:
    """What all of them give, at the same time; each has a limit of its own."""
    given: dict[int, T] = {}
    raised: list[BaseException] = []

    def run(number: int) -> None:
        try:
            given[number] = looks[number]()
        except BaseException as error:  # noqa: BLE001 - handed to the one who waits
            raised.append(error)

    threads = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(len(looks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]
    return [given[number] for number in range(len(looks))]
