"""What `adopt` finds: the tables, what is in them, what hangs on them, what is in the way."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from agentpg.db import (
    Composed,
    Connection,
    DataError,
    Fragment,
    Statements,
    TupleRow,
    class_row,
    identifier,
    scalar_row,
)
from agentpg.language import N_
from agentpg.schema.conversion import Conversion, conversions
from agentpg.schema.migrations import OLD_TABLES, released_migrations
from agentpg.schema.splitting import relations
from agentpg.schema.tablefacts import Column, Reader, Table

Obstacle = tuple[str, Mapping[str, object]]

_UNFINISHED = ("pending", "running", "waiting")
_KNOWN = (*_UNFINISHED, "completed", "failed", "cancelled")

# Columns of agentpg's that cannot be shared with somebody else's meaning.
_RESERVED = {"tasks": {"worker", "adopted"}, "agent_executions": {"adopted"}, "users": {"adopted"}}

_NO_TABLE = N_("no schema has a table tasks with the columns id and status")
_NOT_THERE = N_("the schema {schema} has no table tasks with the columns id and status")
_MANY_TABLES = N_("several schemas have a table tasks, choose one with --from: {schemas}")
_INSTALLED = N_("the schema {schema} is agentpg's already")
_NO_ZONE = N_("there is no time zone {zone}")
_NAME_TAKEN = N_("the schema {schema} has a {name} already")
_NOT_PLAIN = N_("{table} is no plain table, or has inheritance or row level security")
_OWNERS = N_("the tables have several owners: {owners}")
_RESERVED_COLUMN = N_("{table}.{column} would get another meaning")
_GENERATED = N_("{table}.{column} is generated")
_OTHER_TYPE = N_("{table}.{column} is {found}, and agentpg needs {wanted}")
_NOT_FITTING = N_("{table}.{column} is {found}, and has values that do not fit {wanted}")
_VIEW_READS = N_("{table}.{column} is {found} and has to become {wanted}, but {views} reads it")
_KEY_USES = N_("{table}.{column} is {found} and has to become {wanted}, but a foreign key uses it")
_NO_KEY = N_("{count} rows of {table} are without a key or have that of another row: {columns}")


@dataclass(frozen=True, slots=True)
class StatusCount:
    """How many tasks have a status; None is NULL."""

    status: str | None
    tasks: int


@dataclass(frozen=True, slots=True)
class Dependent:
    """Something of others that hangs on a table: a view, a trigger, a foreign key, a grant."""

    table_name: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger of others that is enabled."""

    table_name: str
    name: str


@dataclass(frozen=True, slots=True)
class Grantee:
    """A role that may do something with the tables."""

    role: str
    writes_tasks: bool


@dataclass(slots=True)
class Inspection:
    """All that is known before the first statement."""

    source: str = ""
    has_schema: bool = False
    time_zone: str = ""
    tables: dict[str, Table] = field(default_factory=dict)
    wanted: dict[str, Table] = field(default_factory=dict)
    conversions: dict[str, dict[str, Conversion]] = field(default_factory=dict)
    key_becomes: str = ""
    keeps_roles: bool = False
    rows: dict[str, int] = field(default_factory=dict)
    unfinished: int = 0
    unknown: list[StatusCount] = field(default_factory=list)
    dependents: list[Dependent] = field(default_factory=list)
    triggers: list[Trigger] = field(default_factory=list)
    grantees: list[Grantee] = field(default_factory=list)
    obstacles: list[Obstacle] = field(default_factory=list)


def inspect(
    connection: Connection[TupleRow], schema: str, source: str | None, time_zone: str | None
) -> Inspection:
    """Look at everything, in the connection's transaction; its search_path is changed.

    Where `obstacles` is not empty, the rest may be.
    """
    found = Inspection()
    look = _Look(connection, schema, found)
    look.choose(source, time_zone)
    for part in (look.tables, look.contents, look.fit):
        if not found.obstacles:
            part()
    return found


@dataclass(frozen=True, slots=True)
class _Expected:
    """What all migrations make: the names of tables, views and functions, the tables of the
    guide's names as they are then, and the names of what the later ones make."""

    names: set[str]
    tables: Mapping[str, Table]
    later: set[str]


@dataclass(frozen=True, slots=True)
class _Look:
    connection: Connection[TupleRow]
    schema: str
    found: Inspection

    def choose(self, source: str | None, time_zone: str | None) -> None:
        """Where the tables are, and which time zone their bare timestamps have."""
        candidates = self.ask("candidates")
        installed = self.ask("names_taken", schema=self.schema, names=["schema_migrations"])
        if installed and self.schema in candidates:
            return self.blocked(_INSTALLED, schema=self.schema)
        chosen = source or (self.schema if self.schema in candidates else None)
        if chosen is not None and chosen not in candidates:
            return self.blocked(_NOT_THERE, schema=chosen)
        if chosen is None and len(candidates) != 1:
            sentence = _MANY_TABLES if candidates else _NO_TABLE
            return self.blocked(sentence, schemas=", ".join(candidates))
        if time_zone and not self.ask("is_time_zone", zone=time_zone)[0]:
            return self.blocked(_NO_ZONE, zone=time_zone)
        self.found.source = chosen or candidates[0]
        self.found.time_zone = time_zone or self.ask("time_zone")[0]
        return None

    def tables(self) -> None:
        """The tables as they are and as they shall be, and whether they can be moved."""
        found = self.found
        found.has_schema = bool(self.ask("has_schema", schema=self.schema)[0])
        expected = self._expect()
        found.tables = Reader(self.connection, found.source, OLD_TABLES).read()
        self._keep_clear(expected)
        for table in found.tables.values():
            if table.kind != "r" or table.has_row_security or table.is_inherited:
                self.blocked(_NOT_PLAIN, table=table.name)
        owners = {table.owner for table in found.tables.values()}
        if len(owners) > 1:
            self.blocked(_OWNERS, owners=", ".join(sorted(owners)))

    def contents(self) -> None:
        """How many rows there are, in which states, and what of others hangs on them."""
        found = self.found
        reader = Reader(self.connection, found.source, OLD_TABLES)
        found.dependents = reader.rows("dependents", Dependent)
        found.triggers = reader.rows("enabled_triggers", Trigger)
        found.grantees = reader.rows("grantees", Grantee)
        found.rows = {table: self.count("row_count", table=table) for table in found.tables}
        cursor = self.connection.cursor(row_factory=class_row(StatusCount))
        counts = cursor.execute(self._at_source("status_counts")).fetchall()
        found.unfinished = sum(c.tasks for c in counts if c.status in _UNFINISHED)
        found.unknown = [c for c in counts if c.status not in _KNOWN]

    def fit(self) -> None:
        """Whether each column can take agentpg's type, and the rows agentpg's key."""
        found = self.found
        users = found.tables.get("users")
        if users is not None and "role" in users.columns:
            found.keeps_roles = self.count("unknown_roles") > 0
        for name, table in found.tables.items():
            ways = found.conversions[name] = {}
            for column in table.columns.values():
                wanted = found.wanted[name].columns.get(column.name)
                if wanted is not None:
                    self._fit_column(ways, column, wanted)
            self._fit_key(table)

    def ask(self, statement: str, **values: object) -> list[str]:
        """The first column of a statement's rows."""
        cursor = self.connection.cursor(row_factory=scalar_row)
        return cursor.execute(Statements("adoption", self.schema)[statement], values).fetchall()

    def count(self, statement: str, **names: str) -> int:
        """The one number that a statement on the tables gives."""
        cursor = self.connection.cursor(row_factory=scalar_row)
        return int(cursor.execute(self._at_source(statement, **names), {}).fetchall()[0])

    def blocked(self, sentence: str, **values: object) -> None:
        """Something is in the way."""
        self.found.obstacles.append((sentence, values))

    def _at_source(self, statement: str, **names: str) -> Composed:
        return Statements("adoption", self.found.source).compose(statement, **names)

    def _expect(self) -> _Expected:
        """Make what the migrations make in a scratch schema: the first one's tables are
        wanted, and of the later ones the names."""
        scratch = f"agentpg_scratch_{secrets.token_hex(6)}"
        admin = Statements("schema_admin", scratch)
        reader = Reader(self.connection, scratch, OLD_TABLES)
        first, *later = [migration.text for migration in released_migrations()]
        with self.connection.transaction(force_rollback=True):
            self.connection.execute(admin["create_schema"])
            self.connection.execute(admin["enter_schema"])
            self.connection.execute(first.encode())
            self.found.wanted = reader.read()
            for text in later:
                self.connection.execute(text.encode())
            names = set(self.ask("schema_names", schema=scratch))
            return _Expected(names, reader.read(), relations(later))

    def _keep_clear(self, expected: _Expected) -> None:
        """Whether all names are free that migrations give, in the schema and on the tables."""
        found = self.found
        stay = set(found.tables) if found.source == self.schema else set()
        for name in self.ask("names_taken", schema=self.schema, names=list(expected.names - stay)):
            self.blocked(_NAME_TAKEN, schema=self.schema, name=name)
        for table in found.tables.values():
            columns = expected.tables[table.name].columns.keys()
            later = columns - found.wanted[table.name].columns.keys()
            for name in sorted(later & table.columns.keys()):
                self.blocked(_RESERVED_COLUMN, table=table.name, column=name)
            for name in sorted({index.name for index in table.indexes} & expected.later):
                self.blocked(_NAME_TAKEN, schema=found.source, name=name)

    def _fit_column(self, ways: dict[str, Conversion], column: Column, wanted: Column) -> None:
        facts = {
            "table": column.table_name,
            "column": column.name,
            "found": column.type,
            "wanted": wanted.type,
            "views": ", ".join(column.views),
        }
        if column.name in _RESERVED[column.table_name]:
            self.blocked(_RESERVED_COLUMN, **facts)
        elif column.is_generated:
            self.blocked(_GENERATED, **facts)
        elif column.type != wanted.type:
            self._fit_type(ways, column, wanted, facts)

    def _fit_type(
        self,
        ways: dict[str, Conversion],
        column: Column,
        wanted: Column,
        facts: Mapping[str, object],
    ) -> None:
        tried = conversions(column, wanted, self.found.time_zone)
        fitting = next((way for way in tried if self._fits(column, way)), None)
        if fitting is None and (column.table_name, column.name) == ("users", "id"):
            # Accounts are often numbered; the number stays, under another name.
            self.found.key_becomes = "legacy_id"
        elif fitting is None:
            self.blocked(_NOT_FITTING if tried else _OTHER_TYPE, **facts)
        elif column.views:
            self.blocked(_VIEW_READS, **facts)
        elif column.in_foreign_key:
            self.blocked(_KEY_USES, **facts)
        else:
            ways[column.name] = fitting

    def _fits(self, column: Column, way: Conversion) -> bool:
        probe = self._at_source(
            "probe_conversion",
            table=column.table_name,
            using=Fragment(way.using),
            loses=Fragment(way.loses),
        )
        try:
            with self.connection.transaction():
                return bool(self.connection.execute(probe, {}).fetchall()[0][1] == 0)
        except DataError:
            return False

    def _fit_key(self, table: Table) -> None:
        """A new primary key wants each row to be told apart by it."""
        wanted = self.found.wanted[table.name].key
        if wanted is None or (table.name == "users" and self.found.key_becomes):
            return
        kept = table.key is not None and table.key.columns == wanted.columns
        if kept or not set(wanted.columns) <= set(table.columns):
            return
        columns = ", ".join(map(identifier, wanted.columns))
        faults = self.count("key_faults", table=table.name, columns=Fragment(columns))
        if faults:
            self.blocked(_NO_KEY, count=faults, table=table.name, columns=columns)
