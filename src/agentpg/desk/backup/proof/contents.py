"""The rows of tables, counted and hashed in one pass, whatever order they lie in.

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
faster, and calls these equal. The binary form (`record_send`) has OIDs in it, several forms of
one array and of one NaN, and is no cheaper: 2.4, 1.4 and 1.1 µs for a row of a task, an execution
and a call, against 3.0, 1.2 and 1.2 of text on PostgreSQL 18. Rows by `ROW(…)::text` come cheaper
than as the whole row that `t::text` makes, which pays for one of the hashes: the speed is 0.93
times that of `count(t::text)` on PostgreSQL 18 and 0.95 on 15, by processor time (medians of
seven pairs of a million rows of a uuid, a jsonb and four small columns; `python -m
benchmarks.backup --only hash` measures it). The text goes from a subquery to both hashes; with
both made inside of it, the speed was 0.88 times. No row leaves the server, so that memory stays
what one row takes. The columns go by name, since those of a child that inherits come in another
order once it is restored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from agentpg.db import (
    Connection,
    Database,
    Fragment,
    ServerError,
    Statements,
    literal,
    server_message,
    snapshot,
)
from agentpg.desk.backup.proof.manifest import NOTHING, Contents, Sums
from agentpg.desk.backup.sessions import be_undisturbed

# Pages of a piece, 64 MB of them: less than a second's work, and hundreds in a large table.
_PAGES = 8192

# A row whose text is longer than a value can be: too long for a limit, or for memory.
_TOO_LONG = ("54000", "XX000")


@dataclass(frozen=True, slots=True)
class Listed:
    """A table that is to be read.

    `pages` is 0 where they can't be read apart; `columns` a list for ROW; `condition` says which
    of its rows a dump takes along; `counted` the columns that sequences count: sequence, column,
    whether upwards.
    """

    oid: int
    name: str
    ours: bool
    unlogged: bool
    size_bytes: int
    pages: int
    columns: str
    condition: str
    root: str
    counted: Sequence[tuple[str, str, bool]]


@dataclass(frozen=True, slots=True)
class Piece:
    """What one statement reads of a table: from its page `first` to before `end`; all where both
    are None, and without `end` up to the last, also if it grew."""

    table: Listed
    size_bytes: int
    first: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """What was read, and the furthest values in columns: by sequence and column."""

    contents: Contents
    furthest: Mapping[tuple[str, str], int]


@contextmanager
def join_moment(database: Database, snapshot_name: str) -> Iterator[Connection[Any]]:
    """Another session that sees what the one sees that exported this snapshot."""
    with snapshot(database, "agentpg backup", be_undisturbed) as connection:
        sql = Statements("manifest", database.schema)
        name = Fragment(literal(snapshot_name))
        connection.execute(sql.compose("import_snapshot", snapshot=name), {})
        yield connection


def list_tables(connection: Connection[Any], sql: Statements, schema: str) -> list[Listed]:
    """All tables that a dump takes along, the largest first."""
    return [Listed(*row) for row in connection.execute(sql["tables"], {"schema": schema})]


def whole(table: Listed) -> Iterator[Piece]:
    """The table in one piece."""
    yield Piece(table, table.size_bytes)


def pieces_of(table: Listed) -> Iterator[Piece]:
    """The table in pieces that come to its size."""
    firsts = range(0, table.pages, _PAGES)
    if len(firsts) < 2:
        yield from whole(table)
        return
    each = table.size_bytes * _PAGES // table.pages
    for first in firsts[:-1]:
        yield Piece(table, each, first, first + _PAGES)
    yield Piece(table, table.size_bytes - each * (len(firsts) - 1), firsts[-1])


def read_piece(connection: Connection[Any], sql: Statements, piece: Piece) -> Read:
    """Count and hash the rows of a piece. Raises the errors of the database."""
    table = piece.table
    try:
        with connection.transaction():
            [row] = connection.execute(statement_for(sql, piece), {}).fetchall()
    except ServerError as error:
        if error.sqlstate not in _TOO_LONG:
            raise
        return Read(_contents(table, None, server_message(error)), {})
    rows, xor, total, *limits = row
    furthest = {
        (sequence, column): limit
        for (sequence, column, _), limit in zip(table.counted, limits, strict=True)
        if limit is not None
    }
    return Read(_contents(table, Sums(rows=rows, xor=xor, sum=int(total))), furthest)


def put_together(table: Listed, parts: Sequence[Read]) -> Read:
    """A table that was read in pieces, in any order."""
    total = NOTHING
    for part in parts:
        if part.contents.sums is None:
            return part
        total += part.contents.sums
    furthest: dict[tuple[str, str], int] = {}
    for sequence, column, up in table.counted:
        key = (sequence, column)
        if values := [part.furthest[key] for part in parts if key in part.furthest]:
            furthest[key] = max(values) if up else min(values)
    return Read(_contents(table, total), furthest)


def statement_for(sql: Statements, piece: Piece) -> Any:
    """What counts and hashes the rows of a piece."""
    table = piece.table
    names = [f"counted_{number}" for number, _ in enumerate(table.counted)]
    counted = zip(table.counted, names, strict=True)
    ways = zip(table.counted, names, strict=True)
    return sql.compose(
        "contents",
        table=Fragment(table.name),
        columns=Fragment(table.columns),
        condition=Fragment(table.condition or _pages(piece)),
        counted=Fragment("".join(f", t.{column} AS {name}" for (_, column, _), name in counted)),
        limits=Fragment(
            "".join(f", {'max' if up else 'min'}(r.{name})" for (_, _, up), name in ways)
        ),
    )


def _pages(piece: Piece) -> str:
    if piece.first is None:
        return ""
    end = "" if piece.end is None else f" AND t.ctid < '({piece.end},0)'"
    return f"WHERE t.ctid >= '({piece.first},0)'{end}"


def _contents(table: Listed, sums: Sums | None, reason: str = "") -> Contents:
    return Contents(
        name=table.name,
        sums=sums,
        ours=table.ours,
        unlogged=table.unlogged,
        root=table.root,
        reason=reason,
    )
