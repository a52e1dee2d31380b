"""Removing finished history in paced batches.

The walk follows the table itself, some pages at a time: each row is read once, whatever its
id is, and the dead rows of the batches before are never met again, also while an open
snapshot keeps them from being cleaned. It begins at a page drawn by lot and goes round once,
so that runs which are cut short come to every part in the end.

The pace: while the engine has nothing else to do, batches of about a quarter of a second
follow each other. While its workers say that they are busy, or more than a few tasks were
written since the last look, batches are five times shorter, and after each one the
removal rests thirty-two times as long as it took: three hundredths of one connection's time.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from agentpg.db import (
    Connection,
    Database,
    Statements,
    TupleRow,
    connect,
    driver_errors,
    pin_plans,
)
from agentpg.desk.archive import Archive
from agentpg.desk.retention import TABLES, Moments, Policy, find_moments
from agentpg.desk.turn import turn
from agentpg.errors import RetentionNotSet
from agentpg.language import N_

WORK = N_("the removal of history")

_IDLE_BATCH_SECONDS = 0.25
_BUSY_BATCH_SECONDS = 0.05
# A part of an archive costs some trips to the disk whatever it holds, so it holds more.
_TIMES_ARCHIVED = 4
_RESTS_FOR_WORK = 32
_LOOK_SECONDS = 1.0
_NAP_SECONDS = 0.2

# The server counts writes within a second; after so many since the last look, the engine is
# taken for busy until that second has passed twice.
_A_FEW_WRITES = 10
_BUSY_SECONDS = 2.0

# A batch begins small, since its rows may be wide, and grows to fill its time.
_FIRST_PAGES, _MOST_PAGES = 32, 16_384
_FIRST_ROWS, _LEAST_ROWS, _MOST_ROWS = 500, 100, 10_000

# VACUUM where autovacuum may come late: after a tenth of a table went.
_SHARE_TO_VACUUM = 0.1
_ROWS_TO_VACUUM = 1000
_BUSY_VACUUM_DELAY_MS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalOptions:
    """How a removal works.

    `archive` is the folder to which history is written first; None: it is not. `most` is
    how long it may go on; None: until it has been round. `own_task` is the task in whose
    handler it runs, if any: its worker is not taken for busy because of it.
    """

    policy: Policy
    archive: Path | None = None
    most: timedelta | None = None
    own_task: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What a removal did, so far or in all.

    `complete` says whether it has been round. `worked_seconds` is the time in batches,
    `rested_seconds` what it waited for others. `vacuumed` are the tables cleaned at the end.
    """

    tasks: int = 0
    executions: int = 0
    llm_requests: int = 0
    batches: int = 0
    worked_seconds: float = 0.0
    rested_seconds: float = 0.0
    complete: bool = False
    archive: Path | None = None
    vacuumed: tuple[str, ...] = ()


class Batch(NamedTuple):
    """What one batch removed, and in how many seconds."""

    tasks: int
    executions: int
    llm_requests: int
    seconds: float = 0.0


_EMPTY = Batch(0, 0, 0)

Check = Callable[[], None]
Tell = Callable[[Batch], None]


class EndRemoval(Exception):
    """Raised by `check` to end the work in order: what was done so far is what it gives."""


def _nothing(*_: object) -> None:
    return None


def remove_history(
    database: Database, options: RemovalOptions, *, check: Check = _nothing, tell: Tell = _nothing
) -> Removed:
    """Remove what the policy lets go, once round the table.

    `check` is called between batches and may raise to end the work, EndRemoval to end it in
    order; `tell` is called after each batch that removed something. What was removed before
    either raises stays removed, and is in the archive if there is one.

    Raises RetentionNotSet where the policy keeps everything, WorkUnderWay, FileNotWritten,
    ArchiveNotWhole, and the errors of the database.
    """
    if options.policy.keeps_all:
        raise RetentionNotSet
    with (
        driver_errors(database.target()),
        connect(database, "agentpg retention") as connection,
        turn(connection, database.schema, WORK),
    ):
        return Removal(connection, database.schema, options, check=check, tell=tell).run_once()


class Removal:
    """One removal over one connection in autocommit mode."""

    def __init__(
        self,
        connection: Connection[TupleRow],
        schema: str,
        options: RemovalOptions,
        *,
        check: Check = _nothing,
        tell: Tell = _nothing,
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._options = options
        self._sql = Statements("retention", schema)
        self._pace = Pace(connection, schema, options.own_task, check)
        self._check = check
        self._tell = tell
        self._done = Removed()

    def run_once(self) -> Removed:
        """Go round the table once, or until the time is over; then clean up."""
        self._connection.execute(pin_plans(self._schema))
        moments = find_moments(self._connection, self._schema, self._options.policy)
        archive = self._open_archive(moments)
        rows_before = self._rows_of_tables()
        walk = Walk(self._page_count())
        vacuumed: list[str] = []
        with suppress(EndRemoval):
            self._go_round(walk, moments, archive)
            for table in self._vacuum(rows_before):
                vacuumed.append(table)  # noqa: PERF402 - those before the end are to be kept
        self._done = replace(
            self._done,
            complete=walk.ended,
            archive=archive.folder if archive and archive.parts else None,
            vacuumed=tuple(vacuumed),
        )
        return self._done

    def _go_round(self, walk: Walk, moments: Moments, archive: Archive | None) -> None:
        deadline = _deadline(self._options.most)
        while not walk.ended and time.monotonic() < deadline:
            self._check()
            self._step(walk, moments, archive)

    def _open_archive(self, moments: Moments) -> Archive | None:
        if self._options.archive is None:
            return None
        return Archive(self._connection, self._schema, self._options.archive, moments.now)

    def _step(self, walk: Walk, moments: Moments, archive: Archive | None) -> None:
        """One batch, and the rest after it."""
        target = self._pace.batch_seconds() * (_TIMES_ARCHIVED if archive else 1)
        begun = time.monotonic()
        found, last = self._batch(walk, moments, archive)
        seconds = time.monotonic() - begun
        walk.go_on(found.tasks, last, seconds, target)
        batch = found._replace(seconds=seconds)
        self._count(batch)
        if batch.tasks:
            self._tell(batch)
        rested = self._pace.rest(seconds)
        self._done = replace(self._done, rested_seconds=self._done.rested_seconds + rested)

    def _batch(self, walk: Walk, moments: Moments, archive: Archive | None) -> tuple[Batch, str]:
        """Lock, archive and remove the next of what may go, in one transaction."""
        after, before = walk.stretch()
        parameters = {
            **moments.parameters(self._options.policy),
            "after": after,
            "before": before,
            "limit": walk.rows,
        }
        with self._connection.transaction(), self._connection.cursor(binary=True) as cursor:
            cursor.execute(self._sql["begin_batch"])
            ids, last = cursor.execute(self._sql["lock_expired"], parameters).fetchall()[0]
            if not ids:
                return _EMPTY, ""
            if archive is not None:
                archive.write(ids)
            [(tasks, executions, requests)] = cursor.execute(
                self._sql["remove"], {"ids": ids}
            ).fetchall()
            return Batch(tasks, executions, requests), last

    def _count(self, batch: Batch) -> None:
        done = self._done
        self._done = replace(
            done,
            tasks=done.tasks + batch.tasks,
            executions=done.executions + batch.executions,
            llm_requests=done.llm_requests + batch.llm_requests,
            batches=done.batches + bool(batch.tasks),
            worked_seconds=done.worked_seconds + batch.seconds,
        )

    def _page_count(self) -> int:
        row = self._connection.execute(
            self._sql["pages_of_tasks"], {"schema": self._schema}
        ).fetchone()
        return int(row[0]) if row else 0

    def _rows_of_tables(self) -> dict[str, int]:
        """How many rows the tables have that this role may vacuum."""
        parameters = {"schema": self._schema, "tables": list(TABLES)}
        found = self._connection.execute(self._sql["rows_of_tables"], parameters)
        return {table: rows for table, rows, may_vacuum in found if may_vacuum}

    def _vacuum(self, rows_before: dict[str, int]) -> Iterator[str]:
        """Clean the tables that lost so much that autovacuum may come too late."""
        done = self._done
        delay = _BUSY_VACUUM_DELAY_MS if self._pace.busy() else 0
        removed = zip(TABLES, (done.tasks, done.executions, done.llm_requests), strict=True)
        for table, rows in removed:
            enough = max(_ROWS_TO_VACUUM, _SHARE_TO_VACUUM * rows_before.get(table, 0))
            if table in rows_before and rows >= enough:
                self._check()
                self._connection.execute(
                    self._sql["set_vacuum_delay"], {"milliseconds": f"{delay}ms"}
                )
                self._connection.execute(self._sql.compose("vacuum", table=table))
                yield table


@dataclass(slots=True)
class Walk:
    """Where a removal is on its way round the pages of a table, and how far it steps.

    A place is a page and an item in it; items are numbered from 1, so item 0 is before all.
    """

    page_count: int
    pages: int = _FIRST_PAGES
    rows: int = _FIRST_ROWS
    _start: int = field(init=False)
    _place: tuple[int, int] = field(init=False)
    _wrapped: bool = field(init=False, default=False)
    ended: bool = field(init=False)

    def __post_init__(self) -> None:
        self._start = secrets.randbelow(self.page_count) if self.page_count else 0
        self._place = (self._start, 0)
        self.ended = not self.page_count

    def stretch(self) -> tuple[str, str]:
        """The places between which to look next, both of them not included."""
        return _tid(self._place), _tid((self._until(), 0))

    def go_on(self, found: int, last: str, seconds: float, target_seconds: float) -> None:
        """Step behind what was looked at: `found` rows, the last of them at `last`."""
        full = found >= self.rows
        self._place = _place(last) if full else (self._until(), 0)
        self._fit(found, seconds, target_seconds)
        if self._place >= (self._end(), 0):
            self._turn_round()

    def _fit(self, found: int, seconds: float, target_seconds: float) -> None:
        """Make the next step as long as fits its time, at most twice or half as long."""
        change = min(2.0, max(0.5, target_seconds / max(seconds, 0.001)))
        self.pages = min(_MOST_PAGES, max(1, round(self.pages * change)))
        if found:
            self.rows = min(_MOST_ROWS, max(_LEAST_ROWS, round(self.rows * change)))

    def _turn_round(self) -> None:
        if self._wrapped or self._start == 0:
            self.ended = True
        else:
            self._wrapped, self._place = True, (0, 0)

    def _until(self) -> int:
        return min(self._place[0] + self.pages, self._end())

    def _end(self) -> int:
        return self._start if self._wrapped else self.page_count


class Pace:
    """How long batches are and how long they are apart, by what the engine has to do."""

    def __init__(
        self, connection: Connection[Any], schema: str, own_task: UUID | None, check: Check
    ) -> None:
        self._connection = connection
        self._sql = Statements("retention", schema)
        self._parameters = {"own_task": own_task, "schema": schema}
        self._check = check
        self._busy = False
        self._writes: int | None = None
        self._written_at = float("-inf")

    def busy(self) -> bool:
        """Look whether the engine has something else to do."""
        [(working, writes)] = self._connection.execute(
            self._sql["busy"], self._parameters
        ).fetchall()
        now = time.monotonic()
        if self._writes is not None and writes > self._writes + _A_FEW_WRITES:
            self._written_at = now
        self._writes = writes
        self._busy = working or now < self._written_at + _BUSY_SECONDS
        return self._busy

    def batch_seconds(self) -> float:
        """How long the next batch shall take."""
        return _BUSY_BATCH_SECONDS if self.busy() else _IDLE_BATCH_SECONDS

    def rest(self, seconds: float) -> float:
        """Rest after a batch that took `seconds`, while the engine is busy; how long it was."""
        if not self._busy:
            return 0.0
        begun = time.monotonic()
        looked = begun
        while (now := time.monotonic()) < begun + seconds * _RESTS_FOR_WORK:
            self._check()
            if now >= looked + _LOOK_SECONDS:
                looked = now
                if not self.busy():
                    break
            time.sleep(min(_NAP_SECONDS, begun + seconds * _RESTS_FOR_WORK - now))
        return time.monotonic() - begun


def _deadline(most: timedelta | None) -> float:
    return float("inf") if most is None else time.monotonic() + most.total_seconds()


def _tid(place: tuple[int, int]) -> str:
    return f"({place[0]},{place[1]})"


def _place(tid: str) -> tuple[int, int]:
    page, item = tid.strip("()").split(",")
    return int(page), int(item)
