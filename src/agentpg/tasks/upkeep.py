"""Rescue: notice workers that died and put their tasks back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from agentpg.db import Connection, Statements, work_channel_of
from agentpg.tasks.retry import DEFAULT_MAX_ATTEMPTS, LOSSES_TO_QUARANTINE, Backoff

_log = logging.getLogger("agentpg.upkeep")

# How often the rows of workers that ended long ago are looked for.
_FORGET_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class UpkeepOptions:
    """How upkeep works.

    `widest_gap` is how long this process may have looked away and still trust what it saw
    before: one that was itself stopped must not take others for dead. `keep_workers` is how
    long the rows of ended workers are kept.
    """

    widest_gap: timedelta = timedelta(seconds=10)
    keep_workers: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class UpkeepCounts:
    """What one pass did."""

    lost_workers: int = 0
    put_back: int = 0
    ended: int = 0
    forgotten_workers: int = 0


def longest_retry() -> timedelta:
    """How long a task with the defaults may go on being tried: each of its attempts can come
    after the longest wait, stretched by its jitter."""
    backoff = Backoff()
    return backoff.longest * (1 + backoff.jitter) * DEFAULT_MAX_ATTEMPTS


@dataclass(slots=True)
class _Seen:
    heartbeat: int
    since: float = field(default=0.0)


class Upkeep:
    """Watches the heartbeats of all workers over one connection.

    A worker is dead when this process has seen the same heartbeat for that worker's whole
    lease, on its own monotonic clock and without a gap. What was seen belongs to the
    connection: after a reconnect a new Upkeep starts watching anew, so an outage of the
    database rescues nobody falsely.
    """

    def __init__(
        self,
        connection: Connection,
        schema: str,
        options: UpkeepOptions | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._sql = Statements("upkeep", schema)
        self._calls = Statements("usage", schema)["give_up_calls"]
        self._options = options or UpkeepOptions()
        self._clock = clock
        self._seen: dict[UUID, _Seen] = {}
        self._looked_at: float | None = None
        self._orphans = True
        self._forgot_at: float | None = None

    def run_once(self) -> UpkeepCounts:
        """One pass: declare dead workers lost, and put back the tasks of the dead."""
        silent = self._silent()
        lost = [worker for worker, beat in silent if self._declare_lost(worker, beat)]
        moved = self._put_back() if lost or self._orphans else []
        forgotten = self._forget_workers()
        ended = sum(status != "pending" for status in moved)
        if len(moved) > ended:
            self._connection.execute(self._sql["wake"], {"channel": work_channel_of(self._schema)})
        return UpkeepCounts(len(lost), len(moved) - ended, ended, forgotten)

    def _silent(self) -> list[tuple[UUID, int]]:
        """Workers whose heartbeat stood still for their whole lease, with that heartbeat."""
        now = self._clock()
        if self._looked_at is not None and now - self._looked_at > self._widest_gap():
            self._seen.clear()
        self._looked_at = now
        rows = self._connection.execute(self._sql["observe"]).fetchall()
        # Where nobody lives, all running tasks are orphans.
        self._orphans = not rows or rows[0][3]
        silent = []
        for worker, heartbeat, lease_seconds, _ in rows:
            seen = self._seen.get(worker)
            if seen is None or seen.heartbeat != heartbeat:
                self._seen[worker] = _Seen(heartbeat, now)
            elif now - seen.since >= lease_seconds:
                silent.append((worker, heartbeat))
        self._forget_all_but({row[0] for row in rows})
        return silent

    def _widest_gap(self) -> float:
        return self._options.widest_gap.total_seconds()

    def _forget_all_but(self, alive: set[UUID]) -> None:
        for worker in self._seen.keys() - alive:
            del self._seen[worker]

    def _declare_lost(self, worker: UUID, heartbeat: int) -> bool:
        row = self._connection.execute(
            self._sql["declare_lost"], {"worker": worker, "heartbeat": heartbeat}
        ).fetchone()
        if row is not None:
            _log.warning("worker %s is lost: it was silent for its whole lease", worker)
        return row is not None

    def _forget_workers(self) -> int:
        now = self._clock()
        if self._forgot_at is not None and now - self._forgot_at < _FORGET_SECONDS:
            return 0
        self._forgot_at = now
        keep = {"keep": self._options.keep_workers}
        return self._connection.execute(self._sql["forget_workers"], keep).rowcount

    def _put_back(self) -> list[str]:
        with self._connection.transaction():
            rows = self._connection.execute(
                self._sql["put_back"], {"losses_to_quarantine": LOSSES_TO_QUARANTINE}
            ).fetchall()
            if rows:
                ids, attempts, _ = map(list, zip(*rows, strict=True))
                left = {"ids": ids, "attempts": attempts, "reason": "its worker died"}
                self._connection.execute(self._calls, left)
        for task, attempt, status in rows:
            level = logging.DEBUG if status == "pending" else logging.WARNING
            _log.log(level, "task %s lost its worker in attempt %s: %s", task, attempt, status)
        if rows:
            _log.warning("took %s tasks back from dead workers", len(rows))
        return [status for _, _, status in rows]
