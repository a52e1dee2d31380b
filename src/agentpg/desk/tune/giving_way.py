"""Ending our own vacuum as soon as somebody waits for it, as autovacuum does.

Whoever changes a table waits for its vacuum, and all who come after wait behind him. The server
ends a worker of autovacuum then, but nobody else's vacuum.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from agentpg.db import Connection, ServerError, Statements

_SQL = Statements("vacuum", "")

# The server itself looks after a second of waiting, its deadlock_timeout.
_LOOK_SECONDS = 0.5


class GivesWay:
    """Looks over a second connection whether somebody waits for the first."""

    def __init__(self, worker: Connection[Any], watcher: Connection[Any]) -> None:
        self._worker = worker
        self._watcher = watcher
        self._over = threading.Event()
        self.gave_way = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Within it, what the first runs is cancelled when somebody waits for it: `gave_way`."""
        self.gave_way = False
        self._over.clear()
        thread = threading.Thread(target=self._watch, name="agentpg vacuum gives way", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _watch(self) -> None:
        pid = {"pid": self._worker.info.backend_pid}
        while not self._over.wait(_LOOK_SECONDS):
            try:
                waits = bool(self._watcher.execute(_SQL["give_way"], pid).fetchall())
            except ServerError:
                # Unwatched, it might keep others waiting for long.
                waits = True
                self._worker.cancel_safe()
            if waits:
                self.gave_way = True
                return
