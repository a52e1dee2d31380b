"""Sealing what is stored with another key, in paced batches, and counting what each key seals.

The walk follows the pages of each table, some at a time. A row is written where it lies, if it
still has the value that was read, so whatever works meanwhile loses nothing; what was missed so
is found by the next round.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from agentpg.db import (
    Connection,
    Database,
    Statements,
    TupleRow,
    connect,
    driver_errors,
    identifier,
)
from agentpg.desk.removal import Pace
from agentpg.desk.turn import turn
from agentpg.errors import AgentpgError
from agentpg.language import N_
from agentpg.sealing import (
    MARK,
    Place,
    Sealer,
    is_sealed_json,
    is_sealed_text,
    open_in_task,
)

WORK = N_("the sealing of what is stored")

# A step begins small, since rows may be wide, and grows to fill its time.
_FIRST_PAGES, _MOST_PAGES = 16, 4096
# A value may have a megabyte, so that few are held at a time.
_MOST_ROWS = 100
# What changed while it was read is met by another round; after these, it is told.
_ROUNDS = 3


class Column(NamedTuple):
    """A column that may hold sealed values; `name` is what rules call it."""

    table: str
    column: str
    task: str
    name: str
    json: bool

    @property
    def kind(self) -> str:
        """Which statements it takes."""
        return "json" if self.json else "text"


COLUMNS = (
    Column("tasks", "payload", "id", "payload", json=True),
    Column("tasks", "result", "id", "result", json=True),
    Column("tasks", "error_message", "id", "error", json=False),
    Column("agent_executions", "error_message", "task_id", "error", json=False),
    Column("agent_executions", "progress_text", "task_id", "log", json=False),
    Column("llm_requests", "error_message", "task_id", "error", json=False),
    Column("task_events", "message", "task_id", "log", json=False),
)
_SCHEDULES = Column("schedules", "payload", "name", "payload", json=True)


@dataclass(frozen=True, slots=True)
class SealedCount:
    """How many values of a column one key has sealed; the empty key stands for plain ones."""

    column: str
    key: str
    values: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resealed:
    """What was written anew, what could not be opened, since its key is not here or it was
    changed, and what others wrote at the same time in each round."""

    values: int = 0
    unopened: int = 0
    missed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What becomes of what is stored: sealed with the first key, or `plain` again.

    `plain_too` says that what is plain, and would be sealed today, is sealed as well: payloads,
    results and log lines. Error messages from before stay as they are.
    """

    plain: bool = False
    plain_too: bool = False


Tell = Callable[[int], None]


def _nothing(*_: object) -> None:
    return None


def count_sealed(database: Database) -> list[SealedCount]:
    """How many values each key has sealed, by column."""
    sql = Statements("sealing", database.schema)
    counts = []
    with driver_errors(database.target()), connect(database, "agentpg security key") as connection:
        for one in (*COLUMNS, _SCHEDULES):
            statement = sql.compose(f"count_{one.kind}", table=one.table, column=one.column)
            name = f"{one.table}.{one.column}"
            rows = connection.execute(statement).fetchall()
            counts += [SealedCount(name, key, values) for key, values in rows]
    return counts


def reseal(
    database: Database,
    sealer: Sealer,
    aim: Aim,
    *,
    check: Callable[[], None] = _nothing,
    tell: Tell = _nothing,
) -> Resealed:
    """Write all that another key has sealed with the first key.

    `check` is called between batches and may raise to end the work; `tell` is called after each
    with how many values it wrote. What was written stays. Raises WorkUnderWay, and the errors of
    the database.
    """
    with (
        driver_errors(database.target()),
        connect(database, "agentpg security key") as connection,
        turn(connection, database.schema, WORK),
    ):
        work = _Resealing(connection, database.schema, sealer, aim, check, tell)
        return work.run()


class _Batch(NamedTuple):
    """How many values had changed meanwhile, how many could not be opened, and the place of the
    last row where there are more before the end."""

    missed: int
    unopened: int
    last: str | None


class _Resealing:
    """One walk through all tables, over one connection in autocommit mode."""

    def __init__(
        self,
        connection: Connection[TupleRow],
        schema: str,
        sealer: Sealer,
        aim: Aim,
        check: Callable[[], None],
        tell: Tell,
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._sealer = sealer
        self._aim = aim
        self._check = check
        self._tell = tell
        self._sql = Statements("sealing", schema)
        self._pace = Pace(connection, schema, None, check)
        self._values = 0

    def run(self) -> Resealed:
        """All columns, and the schedules."""
        missed, unopened = 0, self._schedules()
        for column in COLUMNS:
            still_missed, still_unopened = self._rounds(column)
            missed, unopened = missed + still_missed, unopened + still_unopened
        return Resealed(values=self._values, unopened=unopened, missed=missed)

    def _rounds(self, column: Column) -> tuple[int, int]:
        """Go through a column until nothing was missed; what the last round says."""
        missed, unopened = 0, 0
        for _ in range(_ROUNDS):
            missed, unopened = self._column(column)
            if not missed:
                break
        return missed, unopened

    def _column(self, column: Column) -> tuple[int, int]:
        """One round through a column: how many values had changed meanwhile, and how many could
        not be opened."""
        table = identifier(self._schema, column.table)
        [(page_count,)] = self._connection.execute(self._sql["pages"], {"table": table}).fetchall()
        page, step, missed, unopened = 0, _FIRST_PAGES, 0, 0
        after = "(0,0)"
        while page < page_count:
            self._check()
            target = self._pace.batch_seconds()
            begun = time.monotonic()
            found = self._batch(column, after, f"({page + step},0)")
            seconds = time.monotonic() - begun
            missed, unopened = missed + found.missed, unopened + found.unopened
            if found.last is not None:
                after = found.last
                self._pace.rest(seconds)
                continue
            page += step
            after = f"({page},0)"
            change = min(2.0, max(0.5, target / max(seconds, 0.001)))
            step = min(_MOST_PAGES, max(1, round(step * change)))
            self._pace.rest(seconds)
        return missed, unopened

    def _batch(self, column: Column, after: str, before: str) -> _Batch:
        names = {"table": column.table, "column": column.column, "task": column.task}
        wanted = {
            "after": after,
            "before": before,
            "rows": _MOST_ROWS,
            "key": "" if self._aim.plain else self._sealer.keys.first.name,
            "plain": self._aim.plain_too and column.name != "error",
        }
        next_ones = self._sql.compose(f"next_{column.kind}", **names)
        rows = self._connection.execute(next_ones, wanted).fetchall()
        changed: list[tuple[str, UUID, str, str]] = []
        unopened = 0
        for place, task, agent_name, task_type, old in rows:
            try:
                new = self._anew(column, task, agent_name, task_type, old)
            except AgentpgError:
                unopened += 1
                continue
            if new is not None:
                changed.append((place, task, old, new))
        last = rows[-1][0] if len(rows) == _MOST_ROWS else None
        if not changed:
            return _Batch(0, unopened, last)
        places, tasks, olds, news = (list(values) for values in zip(*changed, strict=True))
        put = self._sql.compose(f"put_{column.kind}", **names)
        values = {"places": places, "tasks": tasks, "olds": olds, "news": news}
        written = len(self._connection.execute(put, values).fetchall())
        self._wrote(written)
        return _Batch(len(changed) - written, unopened, last)

    def _anew(
        self, column: Column, task: UUID, agent_name: str | None, task_type: str | None, old: str
    ) -> str | None:
        """What is written in place of a value; None where it stays.

        Raises SealingKeyMissing and SealBroken.
        """
        names = (agent_name, task_type)
        sealed = is_sealed_json(old) if column.json else is_sealed_text(old)
        if sealed:
            text = open_in_task(self._sealer.keys, _token(column, old), column.name, task, *names)
        elif self._sealer.covers(*names, column.name):
            text = old
        else:
            return None
        if self._aim.plain:
            return text
        place = Place.in_task(column.name, task)
        return self._sealer.json(place, text) if column.json else self._sealer.text(place, text)

    def _schedules(self) -> int:
        unopened = 0
        for name, agent_name, task_type, old in self._connection.execute(
            self._sql["schedules"]
        ).fetchall():
            try:
                new = self._schedule_anew(agent_name, task_type, old)
            except AgentpgError:
                unopened += 1
                continue
            if new is not None:
                values = {"name": name, "old": old, "new": new}
                put = self._connection.execute(self._sql["put_schedule"], values)
                self._wrote(len(put.fetchall()))
        return unopened

    def _schedule_anew(self, agent_name: str, task_type: str, old: str) -> str | None:
        names = (agent_name, task_type)
        if is_sealed_json(old):
            token = _token(_SCHEDULES, old)
            text = open_in_task(self._sealer.keys, token, "payload", UUID(int=0), *names)
            kept = token.split(":")[1] == (self._sealer.keys.first.name)
            if kept and not self._aim.plain:
                return None
        elif self._aim.plain_too and self._sealer.covers(*names, "payload"):
            text = old
        else:
            return None
        if self._aim.plain:
            return text
        return self._sealer.json(Place.in_schedule(*names), text)

    def _wrote(self, values: int) -> None:
        self._values += values
        if values:
            self._tell(values)


def _token(column: Column, text: str) -> str:
    return str(json.loads(text)[MARK]) if column.json else text[len(MARK) + 1 :]
