"""Looking at the upkeep of a database: one short question after another, with the least rights."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence as SequenceOf
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID

from agentpg.db import Database, Fragment, Statements
from agentpg.desk.check import Unlooked, looked
from agentpg.desk.doctor.vacuum.bloat import estimated_share
from agentpg.desk.doctor.vacuum.facts import (
    AgedTable,
    Collation,
    DatabaseAge,
    Facts,
    Holder,
    LargeTable,
    Sequence,
    Server,
    SwitchedOff,
    Table,
    Unchecked,
)
from agentpg.desk.doctor.vacuum.policy import Policy
from agentpg.desk.extensions import measure_table
from agentpg.desk.monitor.reading import Reader, reading
from agentpg.desk.monitor.sessions import Work

T = TypeVar("T")

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class _Running:
    running: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    name: str
    whole: str
    first: int
    last: int
    fills: str
    readable: bool
    found: int


def look_at_upkeep(database: Database, policy: Policy) -> Facts:
    """Look at everything. Raises DatabaseUnavailable; what else can't be looked at is Unlooked."""
    with reading(database, "agentpg doctor") as reader:
        return _Look(reader, policy).facts()


class _Look:
    """One look over one connection."""

    def __init__(self, reader: Reader, policy: Policy) -> None:
        self._reader = reader
        self._policy = policy
        self._sql = Statements("doctor_vacuum", reader.schema)
        self._server = looked(lambda: reader.row(self._sql, "read_server", Server))

    def facts(self) -> Facts:
        """All of it."""
        policy = self._policy
        return Facts(
            server=self._server,
            tables=self._all(
                "read_tables",
                Table,
                least=policy.least_rows,
                never_bytes=policy.never_bytes,
                most=policy.most_tables,
            ),
            running_workers=looked(self._running),
            databases=self._all("read_databases", DatabaseAge),
            aged=self._all("read_aged", AgedTable),
            holders=looked(self._holders),
            large=looked(self._large),
            sequences=looked(self._sequences),
            collations=self._all("read_collations", Collation),
            triggers=self._all("read_triggers", SwitchedOff),
            constraints=self._all("read_constraints", Unchecked),
        )

    def _all(self, name: str, kind: type[T], **values: object) -> tuple[T, ...] | Unlooked:
        return looked(lambda: tuple(self._reader.rows(self._sql, name, kind, **values)))

    def _running(self) -> int:
        return self._reader.row(self._sql, "read_workers", _Running).running

    def _holders(self) -> tuple[Holder, ...]:
        found = self._reader.rows(self._sql, "read_holders", Holder)
        ids = {mark[0] for one in found if (mark := _UUID.search(one.application))}
        if not ids:
            return tuple(found)
        asked = sorted(UUID(one) for one in ids)
        work = looked(
            lambda: self._reader.rows(
                Statements("monitor", self._reader.schema), "work", Work, ids=asked, most=1
            )
        )
        if isinstance(work, Unlooked):
            return tuple(found)
        return tuple(_with_work(one, work) for one in found)

    def _large(self) -> tuple[LargeTable, ...]:
        server, policy = self._server, self._policy
        if isinstance(server, Unlooked):
            return ()
        pages = max(policy.bloat_least_bytes // server.page_bytes, 1)
        found = self._reader.rows(
            self._sql, "read_large", LargeTable, pages=pages, most=policy.most_large
        )
        if not server.has_pgstattuple or server.in_recovery:
            return tuple(found)
        return self._measured(found, server)

    def _measured(self, tables: SequenceOf[LargeTable], server: Server) -> tuple[LargeTable, ...]:
        """The worst by the estimate are measured, as long as there is time."""
        policy = self._policy
        worst = sorted(tables, key=lambda one: -_suspicion(one, server))
        measured: dict[int, LargeTable] = {}
        end = time.monotonic() + policy.measuring.total_seconds()
        for table in worst[: policy.measured_tables]:
            left = end - time.monotonic()
            if _suspicion(table, server) <= 0 or left <= 0:
                break
            share = looked(partial(self._measure, table, left))
            if isinstance(share, float):
                measured[table.oid] = replace(table, measured=share)
        return tuple(measured.get(table.oid, table) for table in tables)

    def _measure(self, table: LargeTable, seconds: float) -> float | None:
        # For PostgreSQL 0 is without end.
        limit = max(timedelta(seconds=seconds), timedelta(milliseconds=1))
        with self._reader.question(limit) as connection:
            found = measure_table(connection, table.oid)
        return None if found is None else sum(found)

    def _sequences(self) -> tuple[Sequence, ...]:
        listed = self._reader.rows(
            self._sql, "read_sequences", _Listed, most=self._policy.most_sequences
        )
        return tuple(self._with_values(listed))

    def _with_values(self, listed: Iterable[_Listed]) -> Iterable[Sequence]:
        with self._reader.question() as connection:
            for one in listed:
                value = None
                if one.readable:
                    # The name is the catalogue's own, quoted where it must be.
                    statement = self._sql.compose("read_last_value", sequence=Fragment(one.whole))
                    [(value,)] = connection.execute(statement, {}).fetchall()
                yield Sequence(
                    name=one.name,
                    fills=one.fills,
                    first=one.first,
                    last=one.last,
                    value=value,
                    found=one.found,
                )


def _with_work(holder: Holder, work: SequenceOf[Work]) -> Holder:
    for one in work:
        if str(one.named) in holder.application and one.task_id is not None:
            return replace(holder, agent=one.agent_name or "", task=str(one.task_id))
    return holder


def _suspicion(table: LargeTable, server: Server) -> float:
    """The room that would be free by the estimate, in pages."""
    return (estimated_share(table, server.page_bytes) or 0.0) * table.pages
