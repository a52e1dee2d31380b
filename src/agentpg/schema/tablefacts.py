"""What tables are like, as the catalogue has it: those found, and those this release wants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from agentpg.db import Connection, Statements, TupleRow, class_row

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column; `default` is SQL, `length` a varchar's limit, `base` the type's own name."""

    table_name: str
    name: str
    type: str
    base: str
    is_enum: bool
    length: int | None
    not_null: bool
    default: str | None
    is_made: bool
    is_generated: bool
    views: list[str]
    in_foreign_key: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A constraint of one of the tables, or a foreign key to one; `kind` is the catalogue's."""

    table_name: str
    name: str
    kind: str
    definition: str
    schema_name: str
    target: str | None
    is_of_ours: bool
    columns: list[str]
    target_columns: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index that belongs to no constraint; two with equal `form` do the same."""

    table_name: str
    name: str
    is_valid: bool
    form: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with all that belongs to it."""

    name: str
    kind: str
    is_unlogged: bool
    has_row_security: bool
    is_inherited: bool
    owner: str
    is_ours: bool
    options: list[str]
    columns: dict[str, Column] = field(default_factory=dict)
    constraints: list[Constraint] = field(default_factory=list)
    references: list[Constraint] = field(default_factory=list)
    indexes: list[Index] = field(default_factory=list)

    @property
    def key(self) -> Constraint | None:
        """The primary key."""
        return next((c for c in self.constraints if c.kind == "p"), None)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the facts of some tables of one schema."""

    connection: Connection[TupleRow]
    schema: str
    tables: Sequence[str]

    def rows(self, name: str, kind: type[Row]) -> list[Row]:
        """The rows of one of the statements in `adoption.sql`."""
        cursor = self.connection.cursor(row_factory=class_row(kind))
        parameters = {"schema": self.schema, "tables": list(self.tables)}
        return cursor.execute(Statements("adoption", self.schema)[name], parameters).fetchall()

    def read(self) -> dict[str, Table]:
        """The tables that there are, by name."""
        # The server leaves out the schema of what the search_path finds.
        self.connection.execute(Statements("schema_admin", self.schema)["enter_schema"])
        found = {table.name: table for table in self.rows("tables", Table)}
        for column in self.rows("columns", Column):
            found[column.table_name].columns[column.name] = column
        for constraint in self.rows("constraints", Constraint):
            if constraint.is_of_ours:
                found[constraint.table_name].constraints.append(constraint)
            if constraint.target:
                found[constraint.target].references.append(constraint)
        for index in self.rows("indexes", Index):
            found[index.table_name].indexes.append(index)
        return found
