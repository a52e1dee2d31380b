"""Looking at the engine's tables: each question reads few rows, waits for no lock and ends soon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from typing import TypeVar

from agentpg.db import Database, Statements, connect
from agentpg.desk.check import Unlooked, looked
from agentpg.desk.doctor.tasks.facts import (
    Calls,
    Facts,
    Failing,
    Gone,
    Held,
    Lost,
    Present,
    Quarantined,
    Ready,
    Schedule,
    Schema,
    Unfitting,
    Version,
    Waiting,
)
from agentpg.desk.monitor.reading import Reader
from agentpg.language import N_
from agentpg.schema.migrations import applied_migrations, released_migrations

T = TypeVar("T")

_LONGEST = timedelta(seconds=2)

# So many rows of a kind tell what is wrong; reading them takes a tenth of a second.
_MOST_ROWS = 20_000

_NOTHING = Unlooked(N_("there is no schema of agentpg in this database"))

_HOUR, _DAY = timedelta(hours=1), timedelta(hours=25)


@dataclass(frozen=True, slots=True)
class _Number:
    count: int


def look_at_tasks(database: Database) -> Facts:
    """Look at everything. Raises DatabaseUnavailable."""
    with connect(database, "agentpg doctor") as connection:
        reader = Reader(database, connection, _LONGEST)
        schema = looked(lambda: _schema(reader))
        missing = isinstance(schema, Schema) and schema.found == 0
        return _Look(reader, _NOTHING if missing else None).facts(schema)


def _schema(reader: Reader) -> Schema:
    with reader.question() as connection:
        applied = applied_migrations(connection, reader.schema)
    return Schema(
        name=reader.schema,
        found=applied[-1].version if applied else 0,
        wanted=released_migrations()[-1].version,
        works_with=max((one.works_with for one in applied), default=0),
    )


class _Look:
    """One look over one connection; `missing` is why there is nothing to look at."""

    def __init__(self, reader: Reader, missing: Unlooked | None) -> None:
        self._reader = reader
        self._sql = Statements("doctor_tasks", reader.schema)
        self._missing = missing

    def facts(self, schema: Schema | Unlooked) -> Facts:
        """All of it."""
        alive = self._all("alive", _Number)
        return Facts(
            release=version("agentpg"),
            schema=schema,
            alive=alive if isinstance(alive, Unlooked) else alive[0].count,
            ready=self._all("ready", Ready),
            gone=self._all("gone", Gone),
            lost=self._all("lost", Lost),
            failing=self._all("failing", Failing),
            quarantined=self._all("quarantined", Quarantined),
            unfitting=self._all("unfitting", Unfitting),
            held=self._all("held", Held),
            waiting=self._all("waiting", Waiting),
            schedules=self._all("schedules", Schedule),
            versions=self._all("workers", Version),
            calls=self._all("calls", Calls, since=_HOUR, until=timedelta()),
            calls_before=self._all("calls", Calls, since=_DAY, until=_HOUR),
            present=self._all("present", Present, schema=self._reader.schema),
        )

    def _all(self, name: str, kind: type[T], **values: object) -> Sequence[T] | Unlooked:
        said = {"most": _MOST_ROWS, **values}
        if self._missing is not None:
            return self._missing
        return looked(lambda: self._reader.rows(self._sql, name, kind, **said))
