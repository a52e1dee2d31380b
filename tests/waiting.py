"""Waiting for something to become true, instead of sleeping and hoping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_POLL_SECONDS = 0.02


def eventually(condition: Callable[[], T], timeout: float = 60.0, message: str = "") -> T:
    """Call `condition` until it gives something true, and return that.

    Fails after `timeout` seconds with the message and what the condition gave last.
    """
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            what = message or getattr(condition, "__name__", "the condition")
            raise AssertionError(f"{what}: still {value!r} after {timeout:g} s")
        time.sleep(_POLL_SECONDS)
    return value
