"""Taking a manifest from a database, in the snapshot of whoever asks.

Sequences are no part of a snapshot. They are read first, so that what is dumped later from
them can only be further; so call `outline` before the dump begins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from agentpg.db import Connection, Fragment, Statements
from agentpg.desk.backup.proof.contents import Listed, Read, list_tables
from agentpg.desk.backup.proof.manifest import (
    NOTHING,
    Manifest,
    Position,
    Sums,
    Thing,
    by_key,
    is_hidden,
)
from agentpg.desk.backup.proof.reading import Pace, Progress, read_contents
from agentpg.desk.backup.proof.wording import in_one_form

_STRUCTURE = (
    "schemas",
    "relations",
    "column_orders",
    "columns",
    "constraints",
    "indexes",
    "triggers",
    "rules",
    "policies",
    "functions",
    "types",
    "extensions",
    "publications",
    "statistics",
    "event_triggers",
    "others",
    "user_mappings",
    "subscriptions",
    "default_privileges",
    "grants",
    "labels",
)

# Facts that are expressions as the server prints them.
_PRINTED = frozenset(("default", "definition", "index", "tables", "using", "with_check"))

# Sequences that one statement reads.
_AT_ONCE = 200

# What is longer is told by its hash, such as the source of a function.
_LONGEST_FACT = 200


@dataclass(frozen=True, slots=True)
class Outline:
    """All of a manifest but for the rows of `tables` and what large objects hold."""

    manifest: Manifest
    tables: Sequence[Listed]


def take_manifest(
    connection: Connection[Any],
    schema: str,
    *,
    progress: Progress | None = None,
    beside: Sequence[Connection[Any]] = (),
    unlogged: bool = True,
) -> Manifest:
    """What the database holds at the moment of this connection's REPEATABLE READ transaction.

    `beside` are sessions that see the same snapshot (`join_moment`), to share the work.
    Without `unlogged`, the rows of unlogged tables are left out, as physical copies do. What
    shapes text, and the search_path, is set for the rest of the transactions. Raises the errors
    of the database, also where row security would hide rows from this role.
    """
    outline = take_outline(connection, schema, unlogged=unlogged)
    return fill_outline(connection, outline, progress=progress, beside=beside)


def take_outline(connection: Connection[Any], schema: str, *, unlogged: bool = True) -> Outline:
    """All that is read at once; the sequences first of all."""
    sql = Statements("manifest", schema)
    connection.execute(sql["pin"], {"workers": "0"})
    sequences = _positions(connection, sql)
    [(around,)] = connection.execute(sql["surroundings"]).fetchall()
    listed = list_tables(connection, sql, schema)
    structure = by_key(list(_structure(connection, schema)))
    manifest = Manifest(
        schema=schema,
        server_version=around["server_version"],
        taken_at=datetime.fromisoformat(around["taken_at"]),
        lsn=around["lsn"],
        encoding=around["encoding"],
        hash_probe=f"{around['hash']} {around['block_size']}",
        unlogged=unlogged,
        tables={},
        sequences=sequences,
        large_objects=NOTHING,
        large_pages=NOTHING,
        structure=structure,
        database=by_key(list(_read(connection, sql, "database"))),
        roles=by_key(list(_read(connection, sql, "roles"))),
        not_proved=(
            *_not_proved(connection, sql, listed, unlogged),
            *(f"options of {one.key}" for one in structure.values() if is_hidden(one)),
        ),
    )
    return Outline(manifest, [t for t in listed if unlogged or not t.unlogged])


def fill_outline(
    connection: Connection[Any],
    outline: Outline,
    *,
    progress: Progress | None = None,
    beside: Sequence[Connection[Any]] = (),
    pace: Pace | None = None,
) -> Manifest:
    """The manifest with the rows of all tables and the large objects, which takes its time.

    `pace` says when rows may be read; without it, that is at once.
    """
    sql = Statements("manifest", outline.manifest.schema)
    for other in beside:
        other.execute(sql["pin"], {"workers": "0"})
    read = read_contents((connection, *beside), sql, outline.tables, progress, pace)
    objects, pages = _large_objects(connection, sql)
    contents = sorted((one.contents for one in read), key=lambda one: one.name)
    return replace(
        outline.manifest,
        tables={one.name: one for one in contents},
        sequences=_with_columns(outline.manifest.sequences, read),
        large_objects=objects,
        large_pages=pages,
    )


def _positions(connection: Connection[Any], sql: Statements) -> dict[str, Position]:
    listed = connection.execute(sql["sequences"]).fetchall()
    positions = {}
    for start in range(0, len(listed), _AT_ONCE):
        part = listed[start : start + _AT_ONCE]
        asked = [
            sql.compose("position", number=Fragment(str(number)), sequence=Fragment(name))
            for number, (name, *_) in enumerate(part)
        ]
        text = b" UNION ALL ".join(one.as_bytes(connection) for one in asked)
        for number, last, called in connection.execute(text, {}):
            name, ascending, cycles = part[number]
            positions[name] = Position(
                name=name, last=last, called=called, ascending=ascending, cycles=cycles
            )
    return dict(sorted(positions.items()))


def _with_columns(sequences: Mapping[str, Position], read: Sequence[Read]) -> dict[str, Position]:
    columns: dict[str, dict[str, int]] = {name: {} for name in sequences}
    for one in read:
        for (sequence, column), value in one.furthest.items():
            if sequence in columns:
                columns[sequence][f"{one.contents.name}.{column}"] = value
    return {
        name: replace(position, columns=dict(sorted(columns[name].items())))
        for name, position in sequences.items()
    }


def _structure(connection: Connection[Any], schema: str) -> Iterator[Thing]:
    sql = Statements("structure", schema)
    for statement in _STRUCTURE:
        yield from _read(connection, sql, statement)


def _read(connection: Connection[Any], sql: Statements, statement: str) -> Iterator[Thing]:
    for kind, name, belongs_to, facts in connection.execute(sql[statement]):
        short = {key: _short(_in_one_form(key, value)) for key, value in facts.items()}
        yield Thing(kind=kind, name=name, belongs_to=belongs_to, facts=short)


def _in_one_form(key: str, value: Any) -> Any:
    return in_one_form(value) if key in _PRINTED and isinstance(value, str) else value


def _short(value: Any) -> Any:
    """A fact, or the hash of one that is long."""
    if not isinstance(value, str) or len(value) <= _LONGEST_FACT:
        return value
    digest = hashlib.sha256(value.encode()).hexdigest()
    return f"sha256 {digest} of {len(value)} characters"


def _large_objects(connection: Connection[Any], sql: Statements) -> tuple[Sums, Sums]:
    objects = _sums(connection, sql, "large_objects")
    [(may_read,)] = connection.execute(sql["may_read_pages"]).fetchall()
    pages = "large_pages" if may_read else "large_pages_by_right"
    return objects, _sums(connection, sql, pages)


def _sums(connection: Connection[Any], sql: Statements, statement: str) -> Sums:
    [(rows, xor, total)] = connection.execute(sql[statement]).fetchall()
    return Sums(rows=rows, xor=xor, sum=int(total))


def _not_proved(
    connection: Connection[Any], sql: Statements, listed: Sequence[Listed], unlogged: bool
) -> Iterator[str]:
    yield from (f"{kind} {name}" for name, kind in connection.execute(sql["not_proved"]))
    if not unlogged:
        yield from (f"unlogged {table.name}" for table in listed if table.unlogged)
