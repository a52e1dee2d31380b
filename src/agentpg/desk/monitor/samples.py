"""Samples of the server and the tables, kept in the database so that a later look can compare.

What is kept are states and counters, of which any two have a difference. So a sample that is
thinned out takes no sum with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from agentpg.db import Database, Jsonb, Statements, connect, driver_errors
from agentpg.desk.monitor.reading import Reader
from agentpg.desk.monitor.sizes import Earlier, whole
from agentpg.desk.monitor.statements import read_tallies
from agentpg.errors import NoSample

# About eight kilobytes a sample, four when it is compressed: in a year some six megabytes.
_MOST_TABLES = 50


@dataclass(frozen=True, slots=True)
class Kept:
    """One sample; see `sql/samples.sql` for what it holds, and with it what the dearest
    statements have taken."""

    taken_at: datetime
    sample: Mapping[str, Any]

    @property
    def sizes(self) -> Earlier:
        """Its sizes, to be compared with."""
        kept = self.sample["tables"] or ()
        tables = {(t[0], t[1]): (whole(t[2]), whole(t[3])) for t in kept}
        is_complete = self.sample.get("known") == len(kept)
        return Earlier(self.taken_at, int(self.sample["bytes"]), tables, is_complete)

    @property
    def role(self) -> str | None:
        """Who kept it; None where that is not known."""
        found: str | None = self.sample.get("role")
        return found

    @property
    def started_at(self) -> datetime:
        """When the server had been started."""
        return datetime.fromisoformat(self.sample["started_at"])

    @property
    def server(self) -> Mapping[str, Any]:
        """What else was known of the server; nothing in samples from before that was kept."""
        found: Mapping[str, Any] = self.sample.get("server") or {}
        return found

    @property
    def counters(self) -> Mapping[str, float | None]:
        """What the server has counted since its statistics began."""
        found: Mapping[str, float | None] = self.sample["counters"]
        return found


def read_present(reader: Reader) -> Kept:
    """The present moment as it would be kept."""
    statements = Statements("samples", reader.schema)
    return reader.row(statements, "present", Kept, schema=reader.schema, most=_MOST_TABLES)


def read_near(reader: Reader, ago: timedelta) -> Kept:
    """The last sample that is at least so old, or else the oldest. Raises NoSample."""
    found = reader.rows(Statements("samples", reader.schema), "near", Kept, ago=ago)
    if not found:
        raise NoSample
    return found[0]


def keep_sample(database: Database) -> Kept:
    """Keep the present moment, and thin out what is older than a day."""
    statements = Statements("samples", database.schema)
    with (
        connect(database, "agentpg monitor sample") as connection,
        driver_errors(database.target(), connection),
    ):
        reader = Reader(database, connection)
        present = read_present(reader)
        tallies = read_tallies(reader)
        sample = {**present.sample, **({"statements": tallies} if tallies else {})}
        values = {"taken_at": present.taken_at, "sample": Jsonb(sample)}
        connection.execute(statements["keep"], values)
        connection.execute(statements["thin"])
    return present
