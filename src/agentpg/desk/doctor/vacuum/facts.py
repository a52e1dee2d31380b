"""What a look at the upkeep of a database has found: frozen values that the checks judge."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from agentpg.desk.check import Unlooked

# What keeps dead rows from being removed.
HolderKind = Literal["session", "standby", "slot", "catalogue slot", "prepared"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What the server says of itself and its rules; `sees_all` whether the role sees what others
    do. Ages are in transactions, or in multixacts."""

    role: str
    database: str
    server_version: int
    in_recovery: bool
    sees_all: bool
    autovacuum: bool
    track_counts: bool
    workers: int
    cost_limit: int
    freeze_max_age: int
    multixact_freeze_max_age: int
    failsafe_age: int
    multixact_failsafe_age: int
    page_bytes: int
    has_pgstattuple: bool
    asked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table that has passed a point where autovacuum acts, or that it does not see to.

    Each `…_trigger` is such a point, None where there is none. `toast` is what a table keeps
    beside itself, under the name of the table. `never` was neither vacuumed nor analysed,
    `bare` has rows and no statistics;
    `at_work` is vacuumed now; `found` is how many there are, of which some may be left out.
    """

    oid: int
    name: str
    toast: bool
    never: bool
    bare: bool
    enabled: bool
    size_bytes: int
    live_rows: int
    dead_rows: int
    vacuum_trigger: int
    inserted_rows: int
    insert_trigger: int | None
    changed_rows: int
    analyze_trigger: int | None
    vacuumed_at: datetime | None
    analyzed_at: datetime | None
    at_work: bool
    found: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseAge:
    """The age of a database's oldest transaction; `own` is the one that was asked, and `at_work`
    whether vacuum works in it."""

    name: str
    own: bool
    xid_age: int
    multixact_age: int
    at_work: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AgedTable:
    """A table of the own database with old transactions, and from which ages on autovacuum must
    act (`…_most`)."""

    oid: int
    name: str
    toast: bool
    temporary: bool
    xid_age: int
    xid_most: int
    multixact_age: int
    multixact_most: int
    at_work: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who keeps dead rows from being removed: `since` is None where nobody knows.

    `agent` and `task` are whose work a session does, where its name tells.
    """

    kind: HolderKind
    name: str
    process: int | None
    application: str
    state: str
    since: datetime | None
    transactions: int
    agent: str = ""
    task: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeTable:
    """A large table and what its rows take by the statistics, None where that is not known;
    `measured` is the share that is free or dead, where it was measured."""

    oid: int
    name: str
    pages: int
    rows: float
    fill_factor: int
    columns: int
    has_nulls: bool
    row_bytes: float | None
    measured: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """A sequence that ends at `last`; `value` is where it is, None where the role may not know.

    `fills` is the column that it belongs to, whose type may end sooner.
    """

    name: str
    fills: str
    first: int
    last: int
    value: int | None
    found: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Collation:
    """A collation whose rules have changed since `indexes` were built by it."""

    of_database: bool
    name: str
    recorded: str
    actual: str
    indexes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchedOff:
    """A table with triggers that are switched off; `of_keys` are those of foreign keys."""

    name: str
    of_keys: int
    triggers: str
    found: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchecked:
    """A constraint that the rows of its table were never checked against."""

    name: str
    constraint_name: str
    kind: str
    found: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that was found; what could not be looked at is Unlooked."""

    server: Server | Unlooked
    tables: tuple[Table, ...] | Unlooked
    running_workers: int | Unlooked
    databases: tuple[DatabaseAge, ...] | Unlooked
    aged: tuple[AgedTable, ...] | Unlooked
    holders: tuple[Holder, ...] | Unlooked
    large: tuple[LargeTable, ...] | Unlooked
    sequences: tuple[Sequence, ...] | Unlooked
    collations: tuple[Collation, ...] | Unlooked
    triggers: tuple[SwitchedOff, ...] | Unlooked
    constraints: tuple[Unchecked, ...] | Unlooked

    @property
    def role(self) -> str:
        """Who asked, quoted as SQL has it."""
        return "CURRENT_USER" if isinstance(self.server, Unlooked) else self.server.role
