"""Ticks: the moments at which schedules fire, and the tasks that are submitted then."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from uuid_utils.compat import uuid7

from agentpg.db import Connection, DataError, IntegrityError, Statements, server_message
from agentpg.errors import InvalidSchedule
from agentpg.tasks.schedules import CatchUp
from agentpg.tasks.timetable import timetable

_log = logging.getLogger("agentpg.ticks")

_NEVER_AGAIN = "it never comes true again"


@dataclass(frozen=True, slots=True)
class TickOptions:
    """How ticks are fired.

    One that is later than `late` was missed, and `catch_up` says what becomes of it. At most
    `most` are caught up at a time. A worker looks when the next tick is due, when it hears of
    a change, and at the latest after `longest_rest`, should it not have heard. One pass looks
    at `batch` schedules and ends early after `longest_pass`, since the heart must beat.
    """

    late: timedelta = timedelta(minutes=1)
    most: int = 1000
    longest_rest: timedelta = timedelta(minutes=1)
    longest_pass: timedelta = timedelta(seconds=1)
    batch: int = 50


@dataclass(frozen=True, slots=True)
class TickCounts:
    """What one pass did: tasks submitted, schedules moved on without one, and schedules set
    aside because they cannot fire."""

    fired: int = 0
    moved: int = 0
    set_aside: int = 0


class Due(NamedTuple):
    """A schedule as a pass found it; `now` is the database's clock."""

    name: str
    cron: str
    time_zone: str
    catch_up: str
    next_at: datetime | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """What is to become of a schedule: the ticks that fire, and where it goes from there."""

    ticks: tuple[datetime, ...]
    next_at: datetime | None


def decide(due: Due, options: TickOptions) -> Step:
    """What becomes of a schedule that is due. Raises InvalidSchedule where it cannot fire."""
    table = timetable(due.cron, due.time_zone)
    following = table.next(due.now)
    if due.next_at is None:
        return Step((), following)
    catches_up_all = due.catch_up == CatchUp.ALL
    ticks = table.newest(due.next_at, due.now, options.most if catches_up_all else 1)
    if due.catch_up == CatchUp.SKIP and due.now - ticks[-1] > options.late:
        ticks = []
    return Step(tuple(ticks), following)


class Ticks:
    """Fires what is due, over one connection. Any number of workers may do so at a time."""

    def __init__(
        self,
        connection: Connection,
        schema: str,
        options: TickOptions | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._sql = Statements("schedules", schema)
        self._options = options or TickOptions()
        self._clock = clock
        self._look_at = clock()

    def seconds_left(self) -> float:
        """Until the next pass; 0 when it is time."""
        return max(self._look_at - self._clock(), 0.0)

    def look_soon(self) -> None:
        """A schedule was changed: the next pass is now."""
        self._look_at = self._clock()

    def rest(self) -> None:
        """A pass failed: the next one is after the longest rest."""
        self._look_at = self._clock() + self._options.longest_rest.total_seconds()

    def declare(self, rows: Sequence[dict[str, Any]]) -> None:
        """Write the schedules that an App declares; see `row_of`. What a person paused stays
        paused."""
        for row in rows:
            now = self._now()
            first = timetable(row["cron"], row["time_zone"]).next(now)
            written = self._connection.execute(self._sql["write"], {**row, "next_at": first})
            if written.fetchone() is not None:
                _log.info("wrote the schedule %s: %s in %s", *_words(row))

    def run_once(self) -> TickCounts:
        """One pass: fire what is due, and find out when the next is."""
        found = self._due()
        due = [one for one in found if one.next_at is None or one.next_at <= one.now]
        # The oldest tick first. Many workers look at the same moment: of those of one moment, each
        # begins with another schedule.
        random.shuffle(due)
        due.sort(key=lambda one: one.next_at or one.now)
        counts = list(self._fire_in_time(due))
        self._look_at = self._clock() + self._rest_after(found, due)
        return TickCounts(
            sum(one.fired for one in counts),
            sum(one.moved for one in counts),
            sum(one.set_aside for one in counts),
        )

    def _fire_in_time(self, due: list[Due]) -> Iterator[TickCounts]:
        """Fire one after the other until the pass is over."""
        end = self._clock() + self._options.longest_pass.total_seconds()
        for one in due:
            yield self._fire(one)
            if self._clock() >= end:
                return

    def _due(self) -> list[Due]:
        rows = self._connection.execute(self._sql["due"], {"batch": self._options.batch})
        return [Due(*row) for row in rows.fetchall()]

    def _now(self) -> datetime:
        row = self._connection.execute(self._sql["now"]).fetchone()
        assert row is not None  # noqa: S101 - a SELECT without FROM has one row
        now: datetime = row[0]
        return now

    def _rest_after(self, found: list[Due], due: list[Due]) -> float:
        """How long until the next pass: none where something was due, since what comes after
        it is not known yet."""
        longest = self._options.longest_rest.total_seconds()
        if due:
            return 0.0
        waits = [(one.next_at - one.now).total_seconds() for one in found[:1] if one.next_at]
        return min([longest, *waits])

    def _fire(self, due: Due) -> TickCounts:
        try:
            step = decide(due, self._options)
            fired = self._connection.execute(self._sql["fire"], _parameters(due, step)).fetchone()
        except (InvalidSchedule, DataError, IntegrityError) as error:
            return self._set_aside(due, server_message(error))
        if fired is None:
            return TickCounts()  # another worker was first, or it was changed
        if fired[0]:
            _log.info("the schedule %s submitted %s tasks", due.name, fired[0])
        return TickCounts(fired=fired[0], moved=0 if fired[0] else 1)

    def _set_aside(self, due: Due, problem: str) -> TickCounts:
        _log.error("the schedule %s cannot fire: %s", due.name, problem)
        values = {"name": due.name, "cron": due.cron, "time_zone": due.time_zone}
        self._connection.execute(self._sql["set_aside"], {**values, "problem": problem})
        return TickCounts(set_aside=1)


def _parameters(due: Due, step: Step) -> dict[str, Any]:
    return {
        "name": due.name,
        "cron": due.cron,
        "time_zone": due.time_zone,
        "catch_up": due.catch_up,
        "seen": due.next_at,
        "next_at": step.next_at,
        "problem": _NEVER_AGAIN if step.next_at is None else None,
        "ids": sorted(uuid7() for _ in step.ticks),
        "keys": [key_of(due.name, tick) for tick in step.ticks],
        "last_at": step.ticks[-1] if step.ticks else None,
    }


def key_of(name: str, tick: datetime) -> str:
    """The idempotency key of a tick's task: the schedule's name and the tick in UTC."""
    return f"schedule {name} {tick.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _words(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["name"], row["cron"], row["time_zone"]
