"""What is known of the indexes of a database: looked at here, judged in `findings.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from agentpg.desk.check import Unlooked


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The server's own facts: `counted_since` is the latest start of its statistics.

    `measuring_schema` is where pgstattuple is; None without it.
    """

    role: str
    in_recovery: bool
    counted_since: datetime
    asked_at: datetime
    standbys: int
    measuring_schema: str | None

    @property
    def window(self) -> timedelta:
        """How long the statistics have counted, at least."""
        return self.asked_at - self.counted_since


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """One index. `columns` are numbers, 0 for an expression; the first `keys` are keys.

    `storage` are its own parameters, and `parameters` those of each column's operator class.

    `is_ours` if agentpg's own schema has it. `is_referenced` if a foreign key leads to it.
    """

    oid: int
    table_oid: int
    schema: str
    bare_name: str
    name: str
    table_name: str
    method: str
    size_bytes: int
    rows: float
    scans: int
    rows_read: int
    is_unique: bool
    is_primary: bool
    is_constraint: bool
    is_referenced: bool
    is_identity: bool
    is_clustered: bool
    is_valid: bool
    is_partitioned: bool
    is_part: bool
    keys: int
    columns: tuple[int, ...]
    classes: tuple[str, ...]
    collations: tuple[str, ...]
    options: tuple[str, ...]
    storage: str
    parameters: tuple[str, ...]
    expressions: str
    predicate: str
    is_ours: bool = False

    @property
    def key_parts(self) -> tuple[tuple[int, str, str, str], ...]:
        """Each key column with its operator class, collation and order."""
        parts = zip(self.columns, self.classes, self.collations, self.options, strict=False)
        return tuple(parts)[: self.keys]

    @property
    def included(self) -> frozenset[int]:
        """The columns that it only carries."""
        return frozenset(self.columns[self.keys :])

    @property
    def is_plain(self) -> bool:
        """Whether it is a btree of whole columns and all rows, whose size can be estimated."""
        return self.method == "btree" and not self.expressions and not self.predicate

    @property
    def is_needed(self) -> bool:
        """Whether something stands on it besides queries."""
        return (
            self.is_unique
            or self.is_constraint
            or self.is_referenced
            or self.is_identity
            or self.is_clustered
            or self.is_part
            or self.is_partitioned
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table, with how it was read and written since the statistics count."""

    oid: int
    schema: str
    name: str
    is_partitioned: bool
    is_part: bool
    rows: float
    scans: int
    rows_scanned: int
    inserted: int
    updated: int
    updated_hot: int
    deleted: int
    fill_factor: int
    is_ours: bool = False

    @property
    def writes(self) -> int:
        """Rows that were written."""
        return self.inserted + self.updated + self.deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """A foreign key with its columns in the table that refers; only `bare_table` is unquoted."""

    name: str
    table_oid: int
    referenced_oid: int
    schema_name: str
    bare_table: str
    table_name: str
    columns: tuple[int, ...]
    column_names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What an index would take if it were built anew, and how it was found out.

    `density` is measured, 0 to 1; None without that. `needed_bytes` None: not known.
    """

    needed_bytes: int | None
    null_share: float | None
    density: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All of it. `builds` are tables whose indexes are being built; None among them is hidden."""

    server: Server | Unlooked
    indexes: tuple[Index, ...] | Unlooked
    tables: tuple[Table, ...] | Unlooked
    foreign_keys: tuple[ForeignKey, ...] | Unlooked
    builds: frozenset[int | None] | Unlooked
    estimates: Mapping[int, Estimate] | Unlooked
    definitions: Mapping[int, str] = field(default_factory=dict)
    left_out: int = 0

    def table(self, oid: int) -> Table | None:
        """One table by its number, where it was looked at."""
        if isinstance(self.tables, Unlooked):
            return None
        return next((one for one in self.tables if one.oid == oid), None)

    def definition(self, index: Index) -> str:
        """The SQL that makes an index; empty where that was not to be had."""
        return self.definitions.get(index.oid, "")

    @property
    def role(self) -> str:
        """Who looked, as SQL names it."""
        return "…" if isinstance(self.server, Unlooked) else self.server.role
