"""What the server says of its disks, with the least rights; what it refuses is Unlooked."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from agentpg.db import (
    Connection,
    Database,
    Statements,
    class_row,
    tuple_row,
)
from agentpg.desk.check import Unlooked, looked
from agentpg.desk.doctor.disk.data_folder import Cluster
from agentpg.desk.doctor.disk.facts import (
    Archiver,
    Holder,
    LogFile,
    Logs,
    Server,
    Slot,
    Spill,
    Table,
    Wal,
)
from agentpg.desk.doctor.disk.folders import logs_of
from agentpg.desk.doctor.disk.policy import Policy
from agentpg.desk.extensions import measure_table
from agentpg.desk.monitor.reading import Reader

T = TypeVar("T")

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TEMPORARY = re.compile(r"pgsql_tmp(\d+)")

# All questions together are to be answered in seconds, also on a server in trouble.
_LONGEST, _LONGEST_MEASURING = timedelta(seconds=5), timedelta(seconds=2)


class Asking:
    """One session that asks one thing after another, each in a transaction of its own."""

    def __init__(self, database: Database, connection: Connection[Any]) -> None:
        self._reader = Reader(database, connection)
        self._sql = Statements("disk", database.schema)
        self._watching = Statements("watching", database.schema)

    def server(self) -> Server | Unlooked:
        """What it says of itself."""
        return self._one("read_server", Server)

    def cluster(self) -> Cluster | Unlooked:
        """By what its files are known."""
        return self._one("read_cluster", Cluster)

    def backend(self) -> int | Unlooked:
        """The number of the process that answers."""
        return looked(lambda: int(self._all("read_backend", tuple_row)[0][0]))

    def databases(self) -> tuple[tuple[str, int | None], ...] | Unlooked:
        """Every database with its size."""
        return looked(lambda: tuple(self._all("read_databases", tuple_row)))

    def wal(self) -> Wal | Unlooked:
        """The files of pg_wal by the server's own listing."""

        def ask() -> Wal:
            [(files, size)] = self._all("read_wal", tuple_row)
            waiting = looked(self._waiting)
            return Wal(files=files, size_bytes=size, waiting=waiting)

        return looked(ask)

    def slots(self) -> tuple[Slot, ...] | Unlooked:
        """The replication slots, the one that keeps most first."""
        return looked(lambda: tuple(self._all("read_slots", class_row(Slot))))

    def archiver(self) -> Archiver | Unlooked:
        """How archiving goes."""
        return self._one("read_archiver", Archiver)

    def spills(self) -> tuple[Spill, ...] | Unlooked:
        """The temporary files by process, by the server's own listing."""

        def ask() -> tuple[Spill, ...]:
            sizes: dict[int, list[int]] = {}
            for name, size in self._all("read_temporary", tuple_row):
                found = _TEMPORARY.match(name)
                if found:
                    sizes.setdefault(int(found[1]), []).append(size)
            spills = (
                Spill(process=process, size_bytes=sum(taken), files=len(taken))
                for process, taken in sizes.items()
            )
            return tuple(sorted(spills, key=lambda spill: -spill.size_bytes))

        return looked(ask)

    def told(self, spills: Sequence[Spill]) -> tuple[Spill, ...]:
        """The same with what each process runs and for which task, where that is known."""
        asked = [spill.process for spill in spills]
        found = looked(lambda: self._all("read_sessions", tuple_row, processes=asked))
        if isinstance(found, Unlooked):
            return tuple(spills)
        sessions = {pid: rest for pid, *rest in found}
        named = [self._told(one, sessions.get(one.process)) for one in spills]
        return tuple(_together(named))

    def logs(self, kept: timedelta, now: datetime) -> Logs | Unlooked:
        """The log files by the server's own listing."""

        def ask() -> Logs:
            files = self._all("read_logs", class_row(LogFile))
            return logs_of("", files, None, kept, now)

        return looked(ask)

    def tables(self, server: Server | Unlooked, policy: Policy) -> tuple[Table, ...] | Unlooked:
        """The largest tables; those that look most bloated are measured where that can be."""
        found = looked(lambda: tuple(self._all("read_tables", class_row(Table), only=None)))
        if isinstance(found, Unlooked) or isinstance(server, Unlooked):
            return found
        if not server.has_pgstattuple:
            return found
        large = [table for table in found if table.size_bytes >= policy.bloat_least_bytes]
        # By the dead rows first; free room is seen by nothing but measuring.
        suspects = sorted(large, key=lambda table: -table.dead_share * table.size_bytes)
        names = {table.name for table in suspects[: policy.measured_tables]}
        return tuple(self._measured(table) if table.name in names else table for table in found)

    def file_numbers(self) -> Collection[int] | Unlooked:
        """The files that the database's catalogue knows."""
        return looked(lambda: {n for (n,) in self._all("read_file_numbers", tuple_row)})

    def holders(self) -> tuple[Holder, ...] | Unlooked:
        """Who keeps dead rows from being removed, the worst first."""
        return looked(lambda: tuple(self._all("read_holders", class_row(Holder))))

    def _told(self, spill: Spill, said: Sequence[Any] | None) -> Spill:
        if said is None:
            return spill
        leader, started_at, role, application, query = said
        agent, task = self._task_of(application)
        return replace(
            spill,
            process=leader,
            started_at=started_at,
            role=role,
            application=application,
            query=query,
            agent=agent,
            task=task,
        )

    def _task_of(self, application: str) -> tuple[str, str]:
        mark = _UUID.search(application)
        if mark is None:
            return "", ""
        found = looked(lambda: self._all("read_task_of", tuple_row, mark=mark[0]))
        return ("", "") if isinstance(found, Unlooked) or not found else found[0]

    def table(self, number: int) -> Table:
        """One table by its oid, measured where that can be. Raises what the server raises."""
        [found] = self._all("read_tables", class_row(Table), only=number)
        return self._measured(found)

    def _measured(self, table: Table) -> Table:
        """With what pgstattuple says of it, where that is there and the role may ask it."""

        def ask() -> Table:
            with self._reader.question(_LONGEST_MEASURING) as connection:
                found = measure_table(connection, table.name)
            if found is None:
                return table
            free, dead = found
            return replace(table, free_share=free + dead, dead_measured=dead)

        measured = looked(ask)
        return table if isinstance(measured, Unlooked) else measured

    def _waiting(self) -> int:
        [(number,)] = self._run(self._watching["count_waiting"], tuple_row, {})
        return int(number)

    def _one(self, statement: str, kind: type[T]) -> T | Unlooked:
        form = class_row(kind)
        return looked(lambda: self._all(statement, form)[0])

    def _all(self, statement: str, form: Callable[..., Any], **values: Any) -> list[Any]:
        return self._run(self._sql[statement], form, values)

    def _run(
        self,
        statement: Any,
        form: Callable[..., Any],
        values: dict[str, Any],
        limit: timedelta = _LONGEST,
    ) -> list[Any]:
        with self._reader.question(limit) as connection:
            return connection.cursor(row_factory=form).execute(statement, values).fetchall()


def _together(spills: Sequence[Spill]) -> list[Spill]:
    """Those of the workers of a parallel query with their leader's, the largest first."""
    found: dict[int, Spill] = {}
    for spill in spills:
        there = found.get(spill.process)
        found[spill.process] = (
            spill
            if there is None
            else replace(
                there,
                size_bytes=there.size_bytes + spill.size_bytes,
                files=there.files + spill.files,
            )
        )
    return sorted(found.values(), key=lambda spill: -spill.size_bytes)
