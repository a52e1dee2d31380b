"""Looking at what runs and what has run: one look, which reads only and waits for no lock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from agentpg.db import Database, Statements as NamedStatements, connect
from agentpg.desk.check import Unlooked, looked
from agentpg.desk.doctor.slow.facts import (
    Checkpoints,
    Counters,
    Earlier,
    Facts,
    Holder,
    Lacking,
    LockTable,
    Log,
    Logging,
    OwnPlans,
    Prepared,
    Server,
    Statement,
    Statements,
    Tally,
    Wait,
)
from agentpg.desk.doctor.slow.logs import read_log
from agentpg.desk.doctor.slow.own_plans import read_own_plans
from agentpg.desk.doctor.slow.texts import without_values
from agentpg.desk.monitor.reading import Reader
from agentpg.desk.monitor.samples import read_near
from agentpg.desk.monitor.sessions import read_activity
from agentpg.desk.monitor.statements import MOST, read_extension
from agentpg.language import N_
from agentpg.settings import Settings

T = TypeVar("T")

# All questions together are to be answered in seconds, also on a server in trouble.
_LONGEST = timedelta(seconds=3)

_MOST_STATEMENTS = 50
_YESTERDAY = timedelta(days=1)
_COUNTS_CHECKPOINTS = 170000

_NO_SCHEMA = Unlooked(N_("the tables of agentpg are not in this database"))
_STANDBY = Unlooked(N_("a standby plans no statement that writes"))


@dataclass(frozen=True, slots=True)
class _Kept:
    since: datetime
    evictions: int
    most: int
    statements: int
    hidden: int
    milliseconds: float


def look_at_work(database: Database, settings: Settings, engine: Database | None = None) -> Facts:
    """Look at everything; `engine` is the database as the role of the workers, whose statements
    are planned. Raises nothing for what can't be looked at."""
    connection = looked(lambda: connect(database, "agentpg doctor"))
    if isinstance(connection, Unlooked):
        return _nothing(connection)
    with connection:
        look = _Look(Reader(database, connection, _LONGEST), database, settings)
        return look.facts(engine or database)


def _nothing(why: Unlooked) -> Facts:
    return Facts(
        server=why,
        activity=why,
        waits=why,
        prepared=why,
        holders=why,
        lock_table=why,
        counters=why,
        checkpoints=why,
        statements=why,
        earlier=None,
        own_plans=why,
        logging=why,
        log=why,
    )


class _Look:
    """One look over one connection."""

    def __init__(self, reader: Reader, database: Database, settings: Settings) -> None:
        self._reader = reader
        self._database = database
        self._settings = settings
        self._sql = NamedStatements("slow", database.schema)
        self._server = self._one("read_server", Server, schema=database.schema)

    def facts(self, engine: Database) -> Facts:
        """All of it."""
        logging = self._one("read_logging", Logging)
        return Facts(
            server=self._server,
            activity=looked(lambda: read_activity(self._reader)),
            waits=self._many("read_waits", Wait),
            prepared=self._many("read_prepared", Prepared),
            holders=self._many("read_holders", Holder),
            lock_table=self._one("read_lock_table", LockTable),
            counters=self._one("read_counters", Counters),
            checkpoints=self._checkpoints(),
            statements=looked(self._statements),
            earlier=self._earlier(),
            own_plans=self._own_plans(engine),
            logging=logging,
            log=logging if isinstance(logging, Unlooked) else self._log(logging.now),
        )

    def _one(self, name: str, kind: type[T], **values: object) -> T | Unlooked:
        return looked(lambda: self._reader.row(self._sql, name, kind, **values))

    def _many(self, name: str, kind: type[T]) -> tuple[T, ...] | Unlooked:
        return looked(lambda: tuple(self._reader.rows(self._sql, name, kind)))

    def _checkpoints(self) -> Checkpoints | Unlooked:
        counts = self._reader.server_version >= _COUNTS_CHECKPOINTS
        name = "read_checkpoints" if counts else "read_checkpoints_before_17"
        return self._one(name, Checkpoints)

    def _statements(self) -> Statements | Lacking:
        extension = read_extension(self._reader)
        if not extension.loaded or extension.schema is None:
            return Lacking(extension)
        kept_of = self._sql.compose("read_kept", extension=extension.schema)
        heavy = self._sql.compose(
            "read_statements", extension=extension.schema, read_time=extension.read_time
        )
        [kept] = self._reader.rows_of(kept_of, _Kept)
        found = self._reader.rows_of(heavy, Statement, most=_MOST_STATEMENTS)
        return Statements(
            since=kept.since,
            evictions=kept.evictions,
            most=kept.most,
            number=kept.statements,
            hidden=kept.hidden,
            milliseconds=kept.milliseconds,
            dearest=tuple(replace(one, text=without_values(one.text)) for one in found),
        )

    def _earlier(self) -> Earlier | None:
        found = looked(lambda: read_near(self._reader, _YESTERDAY))
        if isinstance(found, Unlooked) or isinstance(self._server, Unlooked):
            return None
        tallies = found.sample.get("statements") or {}
        since, kept = tallies.get("since"), tallies.get("statements", ())
        return Earlier(
            taken_at=found.taken_at,
            age_seconds=(self._server.now - found.taken_at).total_seconds(),
            counters=found.counters or {},
            statements_since=datetime.fromisoformat(since) if since else None,
            evictions=tallies.get("evictions"),
            statements={
                number: Tally(calls=calls, milliseconds=float(milliseconds), rows=rows)
                for number, calls, milliseconds, rows in kept
            },
            has_all=len(kept) < MOST,
        )

    def _own_plans(self, engine: Database) -> OwnPlans | Unlooked:
        server = self._server
        if isinstance(server, Unlooked):
            return server
        if server.in_recovery:
            return _STANDBY
        if not server.has_schema:
            return _NO_SCHEMA

        def ask() -> OwnPlans:
            with connect(engine, "agentpg doctor") as connection:
                return read_own_plans(Reader(engine, connection, _LONGEST))

        return looked(ask)

    def _log(self, now: datetime) -> Log | Unlooked:
        return looked(lambda: read_log(self._reader, self._database, self._settings, now))
