"""Reading the rows of all tables, piece by piece, by one session or several at once."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from agentpg.db import Connection, QueryCanceled, Statements
from agentpg.desk.backup.proof.contents import (
    Listed,
    Piece,
    Read,
    pieces_of,
    put_together,
    read_piece,
    whole,
)
from agentpg.errors import DatabaseUnavailable

# How many bytes of the whole are done.
Progress = Callable[[int, int], None]

_AGAIN_SECONDS = 0.1
_TELL_SECONDS = 0.5

# Bytes in a second of a table that is read before any other was.
_PACE = 100e6
_ALMOST = 0.95


class Pace(Protocol):
    """Says when rows may be read, and lets further sessions come later."""

    @property
    def further(self) -> int:
        """How many further sessions there may be."""
        ...

    def may_read(self) -> bool:
        """Whether the next piece may be read now; waits for a moment before it says no."""
        ...

    def may_join(self) -> bool:
        """Whether further sessions may come; waits for a moment before it says no."""
        ...

    def join(self) -> AbstractContextManager[Connection[Any]]:
        """One more session that sees the same."""
        ...


@dataclass(slots=True)
class _Hand:
    """A session that reads, once it is there."""

    connection: Connection[Any] | None = None

    def cancel(self) -> None:
        if self.connection is not None:
            self.connection.cancel()


def read_contents(
    connections: Sequence[Connection[Any]],
    sql: Statements,
    tables: Sequence[Listed],
    progress: Progress | None = None,
    pace: Pace | None = None,
) -> list[Read]:
    """Read all tables, by several sessions at once if there are; in the order of `tables`.

    The first error ends it, the statements of the other sessions included.
    """
    # A table in one piece is read ahead by servers from 17 on, pages of it are not.
    cut = pace is not None or len(connections) > 1
    pieces = [piece for table in tables for piece in (pieces_of(table) if cut else whole(table))]
    work = _Work(sql, pieces, progress, pace)
    if len(connections) == 1 and progress is None and pace is None:
        work.run(connections[0])
    else:
        _share(work, connections, pace)
        work.tell()
    return [put_together(table, work.read[table.oid]) for table in tables]


def _share(work: _Work, connections: Sequence[Connection[Any]], pace: Pace | None) -> None:
    further = [_Hand() for _ in range(pace.further)] if pace is not None else []
    with ThreadPoolExecutor(len(connections) + len(further)) as pool:
        runs = {pool.submit(work.run, one): _Hand(one) for one in connections}
        if pace is not None:
            runs |= {pool.submit(work.join, hand, pace): hand for hand in further}
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


def _end_all(runs: dict[Future[None], _Hand]) -> None:
    """A request that comes between two statements ends none, so it is repeated."""
    going_on = [run for run in runs if not run.done()]
    while going_on:
        for run in going_on:
            runs[run].cancel()
        going_on = list(wait(going_on, timeout=_AGAIN_SECONDS).not_done)


class _Work:
    """The pieces that wait, and those that were read."""

    def __init__(
        self,
        sql: Statements,
        pieces: Sequence[Piece],
        progress: Progress | None,
        pace: Pace | None,
    ) -> None:
        self.read: dict[int, list[Read]] = defaultdict(list)
        self.over = False
        self._sql = sql
        self._waiting: SimpleQueue[Piece] = SimpleQueue()
        for piece in pieces:
            self._waiting.put(piece)
        self._total = sum(piece.size_bytes for piece in pieces)
        self._progress = progress
        self._pace = pace
        self._lock = threading.Lock()
        self._reading: dict[int, tuple[int, float]] = {}
        self._done_bytes, self._done_seconds = 0, 0.0

    def run(self, connection: Connection[Any]) -> None:
        """Read pieces until none waits."""
        while (piece := self._next()) is not None:
            with self._counted(piece):
                self.read[piece.table.oid].append(read_piece(connection, self._sql, piece))

    def join(self, hand: _Hand, pace: Pace) -> None:
        """Read with one more session once that may come, if there is anything left."""
        while not self._ended():
            if pace.may_join():
                break
        else:
            return
        with ExitStack() as stack:
            try:
                connection = stack.enter_context(pace.join())
            except DatabaseUnavailable:
                # There is room for no more: those that are there read it all.
                return
            hand.connection = connection
            connection.execute(self._sql["pin"], {"workers": "0"})
            self.run(connection)

    def _next(self) -> Piece | None:
        while not self._ended():
            if self._pace is None or self._pace.may_read():
                with suppress(Empty):
                    return self._waiting.get_nowait()
        return None

    def _ended(self) -> bool:
        return self.over or self._waiting.empty()

    def tell(self) -> None:
        """How far it is. A piece that is being read is thought to be read as fast as those before,
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

    @contextmanager
    def _counted(self, piece: Piece) -> Iterator[None]:
        begun = time.monotonic()
        with self._lock:
            self._reading[id(piece)] = (piece.size_bytes, begun)
        yield
        with self._lock:
            del self._reading[id(piece)]
            self._done_bytes += piece.size_bytes
            self._done_seconds += time.monotonic() - begun
