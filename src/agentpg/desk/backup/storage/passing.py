"""How many bytes have gone by, told now and then, from whatever thread they go in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# Bytes that have gone by since the last call; less than none where some go once more.
Passed = Callable[[int], object]
# So many bytes of the whole are done.
Reached = Callable[[int, int], object]

_TELL_SECONDS = 0.2


class Passing:
    """Counts what goes by, and tells how far it is, a few times a second and at the end.

    Everything goes by `times` times, as when it is read, sealed and sent. What it tells comes from
    one thread at a time.
    """

    def __init__(self, total: int, times: int, reached: Reached | None) -> None:
        self._total, self._times, self._reached = total, times, reached
        self._lock = threading.Lock()
        self._gone = 0
        self._next = 0.0

    def __call__(self, size: int) -> None:
        """So many more have gone by."""
        with self._lock:
            self._gone += size
            now = time.monotonic()
            if now >= self._next:
                self._next = now + _TELL_SECONDS
                self._tell(min(self._gone // self._times, self._total))

    def ended(self) -> None:
        """All have gone by."""
        self._tell(self._total)

    def _tell(self, done: int) -> None:
        if self._reached is not None:
            self._reached(done, self._total)
