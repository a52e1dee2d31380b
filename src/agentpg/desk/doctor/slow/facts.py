"""What was found out about a server that is slow; what could not be, is Unlooked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agentpg.desk.check import Unlooked
from agentpg.desk.monitor.sessions import Activity
from agentpg.desk.monitor.statements import Extension


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The server by its own words; `sees_all` is about the role that asked."""

    database: str
    role: str
    version: int
    in_recovery: bool
    sees_all: bool
    has_schema: bool
    now: datetime


@dataclass(frozen=True, slots=True)
class Held:
    """Who has what another one waits for: a process, or a prepared transaction by its name."""

    pid: int
    mode: str
    prepared: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One session's wait for a lock; `seconds` None where it has only begun."""

    pid: int
    kind: str
    mode: str
    relation: str | None
    seconds: float | None
    held_by: Sequence[Any]

    @property
    def holders(self) -> tuple[Held, ...]:
        """Who has it; empty where it waits behind others that wait."""
        return tuple(Held(pid, mode, name) for pid, mode, name in self.held_by)

    @property
    def wanted(self) -> str:
        """The lock in words of the server: ExclusiveLock on agentic_ai.users."""
        if self.relation is None:
            return f"{self.mode} ({self.kind})"
        # A wait for who has a row is one for his transaction.
        kind = " (row)" if self.kind in ("transactionid", "tuple") else ""
        return f"{self.mode} on {self.relation}{kind}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A transaction that waits for the second phase of its commit."""

    name: str
    since: datetime
    role: str
    database: str
    transactions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """What keeps dead rows: a session, standby, slot or prepared transaction, since when, and of
    how many transactions."""

    kind: str
    name: str
    since: datetime | None
    transactions: int
    pid: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockTable:
    """How many locks the table that all share has and may have; `pid` has most of them."""

    taken: int
    room: int
    pid: int | None
    of_most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What the server counted in the database; `since` None: from the beginning."""

    deadlocks: int
    temp_files: int
    temp_bytes: int
    pages_hit: int
    pages_read: int
    read_milliseconds: float
    active_milliseconds: float
    times_reads: bool
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """Checkpoints that came by the clock, and those that WAL or somebody asked for."""

    timed: int
    requested: int
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What one statement of the database took in all, since the counting began.

    `text` has no values. `read_milliseconds` is 0 where the server does not time its reads.
    """

    id: int
    text: str
    calls: int
    milliseconds: float
    longest_milliseconds: float
    rows: int
    pages_hit: int
    pages_read: int
    read_milliseconds: float
    temp_bytes: int

    @property
    def mean_milliseconds(self) -> float:
        """What a call takes."""
        return self.milliseconds / self.calls if self.calls else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """The statements that took most of the time of the database, the dearest first.

    `number` are kept of at most `most`; `hidden` are other roles', of which nothing is known.
    """

    since: datetime
    evictions: int
    most: int
    number: int
    hidden: int
    milliseconds: float
    dearest: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Lacking:
    """Why there are no statements, by what there is of the extension."""

    extension: Extension


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What a statement had taken at an earlier moment."""

    calls: int
    milliseconds: float
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """A kept sample of about a day ago: counters, and statements by their id.

    `age_seconds` old by the server's clock. `statements_since` is when their counting had begun;
    None where none were kept. They are all that there were where it `has_all`; else the dearest.
    """

    taken_at: datetime
    age_seconds: float
    counters: Mapping[str, float | None]
    statements_since: datetime | None = None
    evictions: int | None = None
    statements: Mapping[int, Tally]
    has_all: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index of one of our tables, which has so many bytes; `is_key` for that of the primary
    key."""

    name: str
    table: str
    table_bytes: int
    valid: bool
    is_key: bool
    definition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPlan:
    """What the planner makes of one of our own statements: the indexes that it needs, those that
    it uses, the tables that it reads from end to end, and whether it sorts what an index has."""

    name: str
    wanted: tuple[str, ...]
    used: tuple[str, ...]
    scanned: tuple[str, ...]
    sorts: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPlans:
    """Our own statements' plans, the indexes there are, and how this release makes its own."""

    schema: str

    plans: tuple[OwnPlan, ...]
    indexes: tuple[Index, ...]
    made_by: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Logging:
    """What the server logs of slow statements (-1: none of them) and waits; `now` by its log."""

    least_duration: str
    tells_waits: bool
    language: str
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """Something that the log tells: `kind` is slow, wait, deadlock or timeout; of when the log
    says it, by whom, how long it took, and the statement without its values."""

    kind: str
    at: str
    pid: int | None
    milliseconds: float | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """An error of the server that the log tells of, by its kind: how often, and the last time."""

    kind: str
    times: int
    last_at: str
    seconds_ago: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What the end of the server's log tells; `bytes_read` of it were looked at."""

    path: str
    bytes_read: int
    entries: tuple[Logged, ...]
    troubles: tuple[Trouble, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All of it at one moment; `earlier` None where no sample was kept."""

    server: Server | Unlooked
    activity: Activity | Unlooked
    waits: tuple[Wait, ...] | Unlooked
    prepared: tuple[Prepared, ...] | Unlooked
    holders: tuple[Holder, ...] | Unlooked
    lock_table: LockTable | Unlooked
    counters: Counters | Unlooked
    checkpoints: Checkpoints | Unlooked
    statements: Statements | Lacking | Unlooked
    earlier: Earlier | None
    own_plans: OwnPlans | Unlooked
    logging: Logging | Unlooked
    log: Log | Unlooked

    @property
    def role(self) -> str:
        """The role that asked, as it is written in SQL."""
        return "monitor" if isinstance(self.server, Unlooked) else self.server.role

    @property
    def sees_all(self) -> bool:
        """Whether nothing of other roles' sessions and statements was hidden."""
        return not isinstance(self.server, Unlooked) and self.server.sees_all
