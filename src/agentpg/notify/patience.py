"""Waits for what may never come back, such as a disk that hangs, and no longer than it should."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


class Patience:
    """Does one thing after the other, each for a time at most."""

    def __init__(self, longest: timedelta) -> None:
        self._longest = longest
        self._thread: Thread | None = None

    def get(self, do: Callable[[], T], name: str) -> T:
        """What `do` gives, or raises. Raises TimeoutError where it takes too long: it goes on in
        a thread of its own, and until that has ended nothing else is begun."""
        if self._thread is not None and self._thread.is_alive():
            raise TimeoutError
        answers: SimpleQueue[tuple[T | None, Exception | None]] = SimpleQueue()

        def ask() -> None:
            try:
                answers.put((do(), None))
            except Exception as error:  # noqa: BLE001 - raised by who waits
                answers.put((None, error))

        # A daemon: what hangs can't be told to stop, and must not hold up the end.
        self._thread = Thread(target=ask, name=name, daemon=True)
        self._thread.start()
        try:
            given, error = answers.get(timeout=self._longest.total_seconds())
        except Empty:
            raise TimeoutError from None
        if error is not None:
            raise error
        return given  # type: ignore[return-value]
