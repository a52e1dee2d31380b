"""The tables, views and functions of a schema, as the live catalogue has them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from agentpg.db import Connection, Database, Statements, class_row, snapshot
from agentpg.desk.meanings import Meanings, our_meanings
from agentpg.errors import SchemaMissing
from agentpg.language import N_

_KINDS = {
    "r": "table",
    "p": "partitioned table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column; `default` is SQL text, `comment` what it means."""

    relation: int
    name: str
    type: str
    nullable: bool
    is_identity: bool
    is_generated: bool
    default: str | None
    comment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index; `scans` counts its uses since the statistics' reset, None if not known."""

    relation: int
    name: str
    definition: str
    is_primary: bool
    is_unique: bool
    is_valid: bool
    size_bytes: int
    scans: int | None
    comment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A constraint; `kind` is pg_constraint's letter. A foreign key has its target."""

    relation: int
    name: str
    kind: str
    definition: str
    is_validated: bool
    target: str | None
    target_schema: str | None
    columns: list[str] | None
    target_columns: list[str] | None
    comment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A trigger; `definition` is its CREATE TRIGGER."""

    relation: int
    name: str
    definition: str
    is_enabled: bool
    comment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DependentView:
    """A view that reads a relation."""

    relation: int
    view: str
    view_schema: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function with its arguments and what it returns."""

    name: str
    arguments: str
    result: str | None
    comment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table or a view, with all that belongs to it.

    Sizes are None for what stores nothing; `estimated_rows` is None until it was analysed.
    """

    oid: int
    name: str
    kind: str
    comment: str | None
    estimated_rows: int | None
    table_bytes: int | None
    index_bytes: int | None
    definition: str | None
    columns: tuple[Column, ...] = ()
    indexes: tuple[Index, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    views: tuple[DependentView, ...] = ()

    @property
    def is_table(self) -> bool:
        """Whether it stores rows of its own or of its partitions."""
        return self.kind in ("table", "partitioned table")

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns of the primary key."""
        keys = (c.columns or [] for c in self.constraints if c.kind == "p")
        return tuple(next(iter(keys), []))


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """What one schema holds, as of one moment."""

    database: str
    schema: str
    version: str
    read_at: datetime
    relations: tuple[Relation, ...]
    functions: tuple[Function, ...]


@dataclass(frozen=True, slots=True)
class _Server:
    database: str
    version: str
    read_at: datetime


Part = TypeVar("Part", Column, Index, Constraint, Trigger, DependentView)
Row = TypeVar("Row")


def read_catalogue(database: Database) -> Catalogue:
    """Read the whole schema in one transaction.

    What has no COMMENT ON and is ours gets the meaning that `sql/schema.sql` gives it.
    Raises SchemaMissing where there is nothing, and the errors of the database.
    """
    statements = Statements("catalogue", database.schema)
    meanings = our_meanings()
    with snapshot(database, "agentpg schema pages") as connection:
        read = _Reader(connection, statements, database.schema)
        relations = _relations(read, meanings)
        if not relations:
            raise SchemaMissing(N_("it holds no table"))
        server = read.rows("server", _Server)[0]
        return Catalogue(
            database=server.database,
            schema=database.schema,
            version=server.version,
            read_at=server.read_at,
            relations=relations,
            functions=tuple(_with_meaning(f, meanings) for f in read.rows("functions", Function)),
        )


class _Reader:
    def __init__(self, connection: Connection[Any], statements: Statements, schema: str) -> None:
        self._connection = connection
        self._statements = statements
        self._schema = schema

    def rows(self, name: str, kind: type[Row]) -> list[Row]:
        with self._connection.cursor(row_factory=class_row(kind)) as cursor:
            return cursor.execute(self._statements[name], {"schema": self._schema}).fetchall()


def _relations(read: _Reader, meanings: Meanings) -> tuple[Relation, ...]:
    columns = _by_relation(read.rows("columns", Column))
    indexes = _by_relation(read.rows("indexes", Index))
    constraints = _by_relation(read.rows("constraints", Constraint))
    triggers = _by_relation(read.rows("triggers", Trigger))
    views = _by_relation(read.rows("dependent_views", DependentView))
    return tuple(
        replace(
            _with_meaning(relation, meanings),
            kind=_KINDS[relation.kind],
            columns=tuple(
                _with_column_meaning(relation.name, c, meanings) for c in columns[relation.oid]
            ),
            indexes=tuple(_with_meaning(i, meanings) for i in indexes[relation.oid]),
            constraints=tuple(_with_meaning(c, meanings) for c in constraints[relation.oid]),
            triggers=tuple(_with_meaning(t, meanings) for t in triggers[relation.oid]),
            views=tuple(views[relation.oid]),
        )
        for relation in read.rows("relations", Relation)
    )


def _by_relation(parts: Iterable[Part]) -> defaultdict[int, list[Part]]:
    grouped: defaultdict[int, list[Part]] = defaultdict(list)
    for part in parts:
        grouped[part.relation].append(part)
    return grouped


Named = TypeVar("Named", Relation, Index, Constraint, Trigger, Function)


def _with_meaning(found: Named, meanings: Meanings) -> Named:
    return replace(found, comment=found.comment or meanings.objects.get(found.name))


def _with_column_meaning(table: str, column: Column, meanings: Meanings) -> Column:
    return replace(column, comment=column.comment or meanings.columns.get((table, column.name)))
