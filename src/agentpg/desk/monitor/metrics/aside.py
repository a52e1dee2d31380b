"""What a scrape does not wait for: a place that may be far away, such as a bucket."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from agentpg.desk.monitor.metrics.parts import Sample
from agentpg.errors import AgentpgError

_log = logging.getLogger("agentpg.monitor")

# A look that takes so long is told as failed, though it may end.
_HANGS = timedelta(minutes=10)

# Backups change a few times a day.
_RESTS = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Told:
    """What was found, and how that went."""

    ok: bool
    seconds: float
    samples: list[Sample]


class Aside:
    """One part that is looked at by a thread, every five minutes as long as somebody asks."""

    def __init__(self, name: str, look: Callable[[], list[Sample]]) -> None:
        self.name = name
        self._look = look
        self._told: Told | None = None
        self._looked_at = 0.0
        self._thread: threading.Thread | None = None

    def found(self, patience: timedelta = timedelta()) -> Told | None:
        """What was found last; None before that. A first look is waited for by `patience`."""
        if self._is_due():
            self._looked_at = time.monotonic()
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        if self._thread is not None and patience:
            self._thread.join(patience.total_seconds())
        return self._hanging() or self._told

    def _hanging(self) -> Told | None:
        """The last numbers, told as failed, while a look does not end."""
        seconds = time.monotonic() - self._looked_at
        if self._thread is None or not self._thread.is_alive() or seconds < _HANGS.total_seconds():
            return None
        return Told(ok=False, seconds=seconds, samples=self._told.samples if self._told else [])

    def _is_due(self) -> bool:
        if self._thread is not None and self._thread.is_alive():
            return False
        rested = time.monotonic() - self._looked_at >= _RESTS.total_seconds()
        return self._thread is None or rested

    def _run(self) -> None:
        begun = time.monotonic()
        try:
            found, ok = self._look(), True
        except (AgentpgError, OSError) as error:
            _log.warning("the metrics of %s cannot be collected: %s", self.name, error)
            found, ok = [], False
        self._told = Told(ok, time.monotonic() - begun, found)
