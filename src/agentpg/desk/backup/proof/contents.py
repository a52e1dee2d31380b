"""The rows of tables, counted and hashed in one pass each, whatever order they lie in.

Each row is made text once, its columns by name, and the text two 64-bit hashes that know
nothing of each other. One goes into a bitwise exclusive or, the other into an exact sum. The
count and the sum see what an exclusive or alone does not, such as rows that are there twice.

**How sure.** If one row was changed by accident, this is missed with a probability of 2^-128 for
each table compared, since both its hashes must have stayed the same. If rows were lost, doubled,
added or mixed up without changing their number, it is missed with 2^-128 too: the differences
must come to nothing in both. Of rows that are there 2^k times alike, the exclusive or sees
nothing where k is not 0, and it is 2^-(64-k). It is a proof against accidents and bugs, and none
against a forger: the hashes are not cryptographic, and who may write rows at will can make some
that fit.

**Why so.** The text of a row is what a dump stores, so that what is equal here is equal in
every column, down to a numeric's scale and the sign of a zero; `hash_record_extended` would be
faster, and calls these equal. Rows by `ROW(…)::text` come cheaper than as the whole row that
`t::text` makes, which pays for one of the hashes: the speed is 0.93 times that of
`count(t::text)` on PostgreSQL 18 and 0.95 on 15, by processor time (medians of seven pairs of a
million rows of a uuid, a jsonb and four small columns; `python -m benchmarks.backup --only hash`
measures it). The text goes from a subquery to both hashes; hashed inside of it, the second hash
cost 14 %. No row leaves
the server, so that memory stays what one row takes. The columns go by name, since those of a
child that inherits come in another order once it is restored.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from agentpg.db import (
    Connection,
    Database,
    Fragment,
    QueryCanceled,
    ServerError,
    Statements,
    literal,
    server_message,
    snapshot,
)
from agentpg.desk.backup.proof.manifest import Contents, Sums

# How many bytes of the whole are done.
Progress = Callable[[int, int], None]

_AGAIN_SECONDS = 0.1
_TELL_SECONDS = 0.5

# Bytes in a second of a table that is read before any other was.
_PACE = 100e6
_ALMOST = 0.95

# A row whose text is longer than a value can be: too long for a limit, or for memory.
_TOO_LONG = ("54000", "XX000")


@dataclass(frozen=True, slots=True)
class Listed:
    """A table that is to be read.

    `columns` is a list for ROW; `condition` says which of its rows a dump takes along;
    `counted` the columns that sequences count: sequence, column, whether upwards.
    """

    oid: int
    name: str
    ours: bool
    unlogged: bool
    size_bytes: int
    columns: str
    condition: str
    root: str
    counted: Sequence[tuple[str, str, bool]]


@dataclass(frozen=True, slots=True)
class Read:
    """A table that was read, and the furthest values in columns: by sequence, then column."""

    contents: Contents
    furthest: Sequence[tuple[str, str, int]]


@contextmanager
def join_moment(database: Database, snapshot_name: str) -> Iterator[Connection[Any]]:
    """Another session that sees what the one sees that exported this snapshot."""
    with snapshot(database, "agentpg backup") as connection:
        sql = Statements("manifest", database.schema)
        name = Fragment(literal(snapshot_name))
        connection.execute(sql.compose("import_snapshot", snapshot=name), {})
        yield connection


def list_tables(connection: Connection[Any], sql: Statements, schema: str) -> list[Listed]:
    """All tables that a dump takes along, the largest first."""
    return [Listed(*row) for row in connection.execute(sql["tables"], {"schema": schema})]


def read_contents(
    connections: Sequence[Connection[Any]],
    sql: Statements,
    tables: Sequence[Listed],
    progress: Progress | None,
) -> list[Read]:
    """Read all tables, by several sessions at once if there are; in the order of `tables`.

    The first error ends it, the statements of the other sessions included.
    """
    waiting: SimpleQueue[Listed] = SimpleQueue()
    for table in tables:
        waiting.put(table)
    work = _Work(sql, waiting, sum(table.size_bytes for table in tables), progress)
    if len(connections) == 1 and progress is None:
        work.run(connections[0])
    else:
        _share(work, connections)
        work.tell()
    return [work.read[table.oid] for table in tables]


def _share(work: _Work, connections: Sequence[Connection[Any]]) -> None:
    with ThreadPoolExecutor(len(connections)) as pool:
        runs = {pool.submit(work.run, connection): connection for connection in connections}
        try:
            while True:
                # Whoever asks is told by the thread that asked.
                ended, going_on = wait(runs, _TELL_SECONDS, return_when=FIRST_EXCEPTION)
                if not going_on or any(run.exception() for run in ended):
                    break
                work.tell()
        finally:
            work.over = True
            _end_all(runs)
    failed = [error for run in runs if (error := run.exception()) is not None]
    if failed:
        raise next((e for e in failed if not isinstance(e, QueryCanceled)), failed[0])


def _end_all(runs: Mapping[Future[None], Connection[Any]]) -> None:
    """A request that comes between two statements ends none, so it is repeated."""
    going_on: Iterable[Future[None]] = [run for run in runs if not run.done()]
    while going_on:
        for run in going_on:
            runs[run].cancel()
        _, going_on = wait(going_on, timeout=_AGAIN_SECONDS)


class _Work:
    """The tables that wait, and those that were read."""

    def __init__(
        self,
        sql: Statements,
        waiting: SimpleQueue[Listed],
        total_bytes: int,
        progress: Progress | None,
    ) -> None:
        self.read: dict[int, Read] = {}
        self.over = False
        self._sql = sql
        self._waiting = waiting
        self._total = total_bytes
        self._progress = progress
        self._lock = threading.Lock()
        self._reading: dict[int, tuple[int, float]] = {}
        self._done_bytes, self._done_seconds = 0, 0.0

    def run(self, connection: Connection[Any]) -> None:
        """Read tables until none waits."""
        while not self.over:
            try:
                table = self._waiting.get_nowait()
            except Empty:
                return
            begun = time.monotonic()
            with self._lock:
                self._reading[table.oid] = (table.size_bytes, begun)
            self.read[table.oid] = _read_table(connection, self._sql, table)
            with self._lock:
                del self._reading[table.oid]
                self._done_bytes += table.size_bytes
                self._done_seconds += time.monotonic() - begun

    def tell(self) -> None:
        """How far it is. A table that is being read is thought to be read as fast as those before,
        since the server does not say how far a statement has come."""
        if self._progress is None:
            return
        with self._lock:
            pace = self._done_bytes / self._done_seconds if self._done_seconds > 1 else _PACE
            now = time.monotonic()
            reading = sum(
                min(pace * (now - begun), size * _ALMOST) for size, begun in self._reading.values()
            )
            done = self._done_bytes
        self._progress(min(done + int(reading), self._total), self._total)


def _read_table(connection: Connection[Any], sql: Statements, table: Listed) -> Read:
    try:
        with connection.transaction():
            [row] = connection.execute(_statement(sql, table), {}).fetchall()
    except ServerError as error:
        if error.sqlstate not in _TOO_LONG:
            raise
        return Read(_contents(table, None, server_message(error)), ())
    rows, xor, total, *limits = row
    furthest = [
        (sequence, column, limit)
        for (sequence, column, _), limit in zip(table.counted, limits, strict=True)
        if limit is not None
    ]
    return Read(_contents(table, Sums(rows=rows, xor=xor, sum=int(total))), furthest)


def _statement(sql: Statements, table: Listed) -> Any:
    names = [f"counted_{number}" for number, _ in enumerate(table.counted)]
    counted = zip(table.counted, names, strict=True)
    ways = zip(table.counted, names, strict=True)
    return sql.compose(
        "contents",
        table=Fragment(table.name),
        columns=Fragment(table.columns),
        condition=Fragment(table.condition),
        counted=Fragment("".join(f", t.{column} AS {name}" for (_, column, _), name in counted)),
        limits=Fragment(
            "".join(f", {'max' if up else 'min'}(r.{name})" for (_, _, up), name in ways)
        ),
    )


def _contents(table: Listed, sums: Sums | None, reason: str = "") -> Contents:
    return Contents(
        name=table.name,
        sums=sums,
        ours=table.ours,
        unlogged=table.unlogged,
        root=table.root,
        reason=reason,
    )
