"""Waiting for something to become true, instead of sleeping and hoping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# How long between looks: a twentieth of the time waited so far, but within these.
_SHORTEST, _LONGEST = 0.02, 0.1


def eventually(condition: Callable[[], T], timeout: float = 60.0, message: str = "") -> T:
    """Call `condition` until it gives something true, and return that.

    Fails after `timeout` seconds with the message and what the condition gave last.
    """
    begun = time.monotonic()
    while not (value := condition()):
        waited = time.monotonic() - begun
        if waited > timeout:
            what = message or getattr(condition, "__name__", "the condition")
            raise AssertionError(f"{what}: still {value!r} after {timeout:g} s")
        time.sleep(min(max(waited / 20, _SHORTEST), _LONGEST))
    return value
