"""Watching a run from outside: how much ends each second, and who still waits for rescue."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from psycopg import Error

from agentpg.db import Database, connect
from agentpg.errors import AgentpgError

_LOOK_SECONDS = 0.25

_LOOK = """
SELECT
    (SELECT count(*) FROM agentic_ai.tasks
     WHERE created_at > now() - interval '3 min' AND finished_at > now() - interval '1 s'),
    (SELECT count(*) FROM agentic_ai.tasks t
     WHERE t.status = 'running' AND NOT EXISTS (
         SELECT FROM agentic_ai.workers w WHERE w.id = t.worker AND w.ended_at IS NULL)),
    ARRAY(SELECT id FROM agentic_ai.workers WHERE ended_at IS NULL)
"""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at one moment of the monotonic clock: tasks ended in the last second,
    running tasks whose worker lives no more, and the living workers."""

    at: float
    rate: int
    orphans: int
    alive: frozenset[UUID]


class Watch:
    """Looks four times a second, over a connection of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._looks: list[Look] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._ending.set()
        self._thread.join(30)

    def usual_rate(self, seconds: float) -> float:
        """How many tasks ended a second, on average, in the last so many seconds."""
        since = time.monotonic() - seconds
        rates = [look.rate for look in list(self._looks) if look.at > since]
        return sum(rates) / len(rates) if rates else 0.0

    def back_at(self, since: float, rate: float) -> float | None:
        """When, after `since`, as much ended again and nobody waited for rescue."""
        for look in list(self._looks):
            if look.at > since + 1 and look.rate >= rate and not look.orphans:
                return look.at
        return None

    def rescued_at(self, since: float, dead: frozenset[UUID]) -> float | None:
        """When, after `since`, these were known to be dead and their tasks were back."""
        for look in list(self._looks):
            if look.at > since and not dead & look.alive and not look.orphans:
                return look.at
        return None

    def _go_on(self) -> None:
        while not self._ending.is_set():
            with suppress(AgentpgError, Error), connect(self._database, "chaos watch") as there:
                while not self._ending.wait(_LOOK_SECONDS):
                    row = there.execute(_LOOK).fetchone()
                    assert row is not None
                    now = time.monotonic()
                    self._looks.append(Look(now, row[0], row[1], frozenset(row[2])))
            self._ending.wait(_LOOK_SECONDS)
