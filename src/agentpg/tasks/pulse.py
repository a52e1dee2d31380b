"""A worker's heartbeat, in a thread of its own.

The thread has its own connection, so neither a busy event loop nor a long claim holds up
the sign of life. On the same connection it hears notifications, learns which of the
worker's tasks were cancelled or taken away, looks after the other workers, and fires the
schedules that are due.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from agentpg.db import (
    Connection,
    Database,
    Lasting,
    Leading,
    LockNotAvailable,
    ServerError,
    Statements,
    channel_of,
    connect,
    is_connection_lost,
    listen,
    next_notifications,
    server_message,
    work_on,
)
from agentpg.tasks.registration import Registration
from agentpg.tasks.ticks import TickOptions, Ticks
from agentpg.tasks.upkeep import Upkeep, UpkeepOptions

_log = logging.getLogger("agentpg.pulse")

# Seven beats a lease: six may be lost before anybody worries. Others see the last one up to a
# beat late, and look once a beat, so a death is noticed within a lease and a seventh.
_BEATS_A_LEASE = 7

# How long the thread may take to notice that it is to end.
_SLICE = timedelta(milliseconds=250)

# How often a worker that cannot be notified looks whether a task of its is to be cancelled.
_LOOK_SECONDS = 1.0

# How long schedules go unlooked at where their changes are not heard.
_TICKS = {"session": TickOptions(), "transaction": TickOptions(longest_rest=timedelta(seconds=15))}

# Waits between attempts to connect; see also `_longest_wait`.
_FIRST_WAIT = 0.1
_LONGEST_WAIT = 2.0

# A task that the database counts as ours and we do not know of may be the answer of a
# claim that is still being read; after so many beats it is not.
_BEATS_TO_FORGET = 3

# Such tasks are looked for after a claim was lost, and every so many beats all the same.
_BEATS_BETWEEN_CHECKS = 14


@dataclass(frozen=True, slots=True)
class Held:
    """The attempts in a worker's hands, as its pulse sees them.

    `claims_lost` counts claims whose answer never came.
    """

    attempts: list[tuple[UUID, int]]
    running: int
    idle: bool
    claims_lost: int = 0


@dataclass(frozen=True, slots=True)
class PulseEvents:
    """What a pulse tells its worker; all are called in the pulse's thread."""

    wake: Callable[[], None]
    lost: Callable[[list[tuple[UUID, int]]], None]
    cancel: Callable[[list[tuple[UUID, int]]], None]
    forgotten: Callable[[list[tuple[UUID, int]]], None]
    declared_dead: Callable[[UUID], None]


class Pulse:
    """The heartbeat of one worker process.

    `declared` are the rows of the schedules that its app declares; they are written once.
    """

    def __init__(
        self,
        database: Database,
        registration: Registration,
        held: Callable[[], Held],
        events: PulseEvents,
        declared: Sequence[dict[str, Any]] = (),
    ) -> None:
        self._database = database
        self._registration = registration
        self._held = held
        self._events = events
        self._declared = declared
        self._sql = Statements("worker", database.schema)
        self._interval = registration.lease / _BEATS_A_LEASE
        # After an outage those who came back first watch the others: all must be back
        # well within a lease.
        self._longest_wait = min(self._interval.total_seconds(), _LONGEST_WAIT)
        self._ending = threading.Event()
        self._unknown: dict[tuple[UUID, int], int] = {}
        self._beats = self._claims_lost = self._check_until = 0
        self._leading = Leading(database.dsn)
        self._thread = threading.Thread(target=self._run, name="agentpg-pulse", daemon=True)

    def start(self) -> None:
        """Start beating. The worker must be registered."""
        self._thread.start()

    def end_soon(self) -> None:
        """Stop beating; the thread ends within a quarter of a second."""
        self._ending.set()

    @property
    def beats(self) -> bool:
        """Whether the thread still runs."""
        return self._thread.is_alive()

    def end(self) -> None:
        """Stop beating and close the connection."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        wait = _FIRST_WAIT
        while not self._ending.is_set():
            try:
                with connect(
                    self._database, f"agentpg pulse {self._registration.id}"
                ) as connection:
                    last = self._begin(connection)
                    wait = _FIRST_WAIT
                    self._beat_until_the_end(connection, last)
            except Exception as error:  # noqa: BLE001 - the heartbeat goes on whatever happens
                if not is_connection_lost(error):
                    _log.warning("the heartbeat failed (%s); trying again", server_message(error))
                self._ending.wait(wait * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
                wait = min(wait * 2, self._longest_wait)

    def _begin(self, connection: Connection) -> Lasting:
        # A silent worker is taken for dead, so it waits for no lock longer than a beat.
        patience = max(1, round(self._interval.total_seconds() * 500))
        last = work_on(connection, self._database.schema, lock_milliseconds=patience)
        if last == "session":
            listen(connection, channel_of(self._database.schema))
        else:
            _log.info("a pooler is in between: looking for tasks instead of listening")
        self._beat(connection)
        return last

    def _beat_until_the_end(self, connection: Connection, last: Lasting) -> None:
        self._events.wake()  # what came in before was not heard
        upkeep = Upkeep(connection, self._database.schema, self._upkeep_options())
        ticks = Ticks(connection, self._database.schema, _TICKS[last])
        # Where the service leads to another role, the next connection follows it.
        while not self._ending.is_set() and not self._leading.elsewhere(connection.info.user):
            due = time.monotonic() + self._interval.total_seconds()
            self._beat(connection)
            self._look_after(upkeep)
            if last == "session":
                self._hear(connection, due, ticks)
            else:
                self._look(connection, due, ticks)

    def _look_after(self, upkeep: Upkeep) -> None:
        try:
            upkeep.run_once()
        except LockNotAvailable:
            _log.info("somebody holds a lock on a lost execution; upkeep tries again")

    def _fire_ticks(self, ticks: Ticks) -> None:
        """Fire what is due. Whatever is wrong with schedules, the heart beats on."""
        if ticks.seconds_left() > 0:
            return
        try:
            ticks.declare(self._declared)
            self._declared = ()
            ticks.run_once()
        except ServerError as error:
            if is_connection_lost(error):
                raise
            _log.warning("no schedule fires for now: %s", server_message(error))
            ticks.rest()

    def _upkeep_options(self) -> UpkeepOptions:
        return UpkeepOptions(widest_gap=3 * self._interval)

    def _hear(self, connection: Connection, due: float, ticks: Ticks) -> None:
        """Wait for notifications and fire ticks until the next beat is due."""
        while not self._ending.is_set():
            self._fire_ticks(ticks)
            left = min(max(due - time.monotonic(), 0), ticks.seconds_left())
            heard = next_notifications(connection, min(timedelta(seconds=left), _SLICE))
            if "schedules" in heard:
                ticks.look_soon()
            if "cancel" in heard:
                self._check_held(connection)
            if time.monotonic() >= due:
                return

    def _look(self, connection: Connection, due: float, ticks: Ticks) -> None:
        """Without notifications, look for cancellations and fire ticks until the next beat."""
        while (left := due - time.monotonic()) > 0:
            if self._ending.wait(min(left, _LOOK_SECONDS)):
                return
            self._fire_ticks(ticks)
            self._check_held(connection)

    def _beat(self, connection: Connection) -> None:
        worker, held = self._registration.id, self._held()
        alive = connection.execute(
            self._sql["beat"], {"worker": worker, "idle": held.idle, "running": held.running}
        ).fetchone()
        if alive is None:
            self._start_over(connection, worker)
        elif self._held().idle and not held.idle:
            self._beat(connection)  # it became idle meanwhile, and this beat unsaid that
        else:
            self._check_held(connection)
            if self._may_have_forgotten(held.claims_lost):
                self._check_forgotten(connection)

    def _start_over(self, connection: Connection, dead: UUID) -> None:
        """Others have declared this worker dead: drop all work and register anew."""
        _log.warning("worker %s was declared dead; starting over under a new id", dead)
        new = uuid7()
        # Registered before it is used: what is claimed under an id that nobody knows is
        # taken for the work of a dead worker.
        connection.execute(self._sql["register"], self._registration.row(new))
        self._registration.id = new
        self._unknown.clear()
        self._events.declared_dead(dead)

    def _check_held(self, connection: Connection) -> None:
        """Find out which attempts were taken away and which are to be cancelled."""
        attempts = self._held().attempts
        if not attempts:
            return
        rows = connection.execute(
            self._sql["check_held"], {"worker": self._registration.id, **_arrays(attempts)}
        ).fetchall()
        lost = [(task, attempt) for task, attempt, gone in rows if gone]
        cancel = [(task, attempt) for task, attempt, gone in rows if not gone]
        if lost:
            self._events.lost(lost)
        if cancel:
            self._events.cancel(cancel)

    def _may_have_forgotten(self, claims_lost: int) -> bool:
        self._beats += 1
        if claims_lost != self._claims_lost:
            self._claims_lost, self._check_until = claims_lost, self._beats + _BEATS_TO_FORGET
        if self._unknown or self._beats <= self._check_until:
            return True
        return self._beats % _BEATS_BETWEEN_CHECKS == 0

    def _check_forgotten(self, connection: Connection) -> None:
        """Find tasks that the database counts as this worker's and the worker does not."""
        known = self._held().attempts
        rows = connection.execute(
            self._sql["find_forgotten"],
            {"worker": self._registration.id, "ids": [task for task, _ in known]},
        ).fetchall()
        unknown = {(task, attempt) for task, attempt in rows}
        self._unknown = {key: self._unknown.get(key, 0) + 1 for key in unknown}
        forgotten = [key for key, beats in self._unknown.items() if beats >= _BEATS_TO_FORGET]
        if forgotten:
            self._events.forgotten(forgotten)


def _arrays(attempts: list[tuple[UUID, int]]) -> dict[str, list[UUID] | list[int]]:
    return {"ids": [task for task, _ in attempts], "attempts": [number for _, number in attempts]}
