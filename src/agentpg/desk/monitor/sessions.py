"""Who is connected, what each session does or waits for, who blocks it, and whose work it is."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from agentpg.db import Statements
from agentpg.desk.monitor.reading import Reader
from agentpg.desk.monitor.statement_text import shown_statement
from agentpg.errors import PermissionDenied, SchemaMissing

# A worker's connections have its id in their names; a handler's own may have that of its task.
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# More tasks of one worker would be no answer to "whose lock is it".
_MOST_TASKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """How many sessions there are: `most` may be, of which `reserved` are not for everybody.

    `processes` counts the server's own too, as the operations guide does. `hidden` are
    sessions that this role may not look at.
    """

    database: str
    most: int
    reserved: int
    processes: int
    sessions: int
    hidden: int
    read_at: datetime

    @property
    def usable(self) -> int:
        """How many sessions ordinary roles can have."""
        return self.most - self.reserved


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a name of a session stands for: a worker, with a task that it runs, or a task."""

    named: UUID
    worker: UUID | None
    host: str | None
    pid: int | None
    task_id: UUID | None
    attempt: int | None
    agent_name: str | None
    task_type: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One session; times in seconds, None where there is none or it is `hidden` from this role.

    `work` are the workers and the running tasks that it belongs to.
    """

    pid: int
    database: str | None
    role: str | None
    application: str
    client: str
    kind: str
    state: str | None
    wait_type: str | None
    wait_event: str | None
    started_at: datetime | None
    query_started_at: datetime | None
    session_seconds: float | None
    transaction_seconds: float | None
    query_seconds: float | None
    state_seconds: float | None
    blocked_by: list[int]
    query: str | None
    hidden: bool
    work: tuple[Work, ...] = ()

    @property
    def is_idle_in_transaction(self) -> bool:
        """Whether it holds a transaction open and does nothing."""
        return (self.state or "").startswith("idle in transaction")

    @property
    def agents(self) -> list[str]:
        """The agents whose tasks it works for."""
        return sorted({one.agent_name for one in self.work if one.agent_name})


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """The sessions of a server at one moment, the oldest first."""

    connections: Connections
    sessions: tuple[Session, ...]

    @property
    def blocked(self) -> list[Session]:
        """Sessions that wait for a lock that another one has."""
        return [one for one in self.sessions if one.blocked_by]

    @property
    def roots(self) -> list[int]:
        """The processes that block others and are not blocked themselves."""
        blocked = {one.pid for one in self.blocked}
        blocking = {pid for one in self.blocked for pid in one.blocked_by}
        return sorted(blocking - blocked)

    @property
    def idle_in_transaction(self) -> list[Session]:
        """Sessions that hold a transaction open and do nothing, the longest first."""
        found = [one for one in self.sessions if one.is_idle_in_transaction]
        return sorted(found, key=lambda one: -(one.state_seconds or 0))

    @property
    def longest(self) -> Session | None:
        """The session whose transaction has lasted longest."""
        open_ones = [one for one in self.sessions if one.transaction_seconds is not None]
        return max(open_ones, key=lambda one: one.transaction_seconds or 0, default=None)

    def urgent_first(self) -> list[Session]:
        """Blockers, blocked, transactions that idle, what works, and then the rest; in each
        the longest first."""
        roots = set(self.roots)
        return sorted(self.sessions, key=lambda one: (_urgency(one, roots), -_age(one), one.pid))


def read_activity(reader: Reader) -> Activity:
    """Who is connected now. Needs no schema; without it nobody's work is known."""
    statements = Statements("monitor", reader.schema)
    connections = reader.row(statements, "connections", Connections)
    found = reader.rows(statements, "sessions", Session)
    work = _read_work(reader, statements, found)
    sessions = (
        replace(one, query=None if one.hidden else shown_statement(one.query), work=work_of)
        for one, work_of in ((one, work.get(_named(one), ())) for one in found)
    )
    return Activity(connections=connections, sessions=tuple(sessions))


def _read_work(
    reader: Reader, statements: Statements, sessions: Sequence[Session]
) -> dict[UUID | None, tuple[Work, ...]]:
    ids = sorted({named for one in sessions if (named := _named(one))})
    if not ids:
        return {}
    try:
        found = reader.rows(statements, "work", Work, ids=ids, most=_MOST_TASKS)
    except (SchemaMissing, PermissionDenied):
        return {}
    grouped: defaultdict[UUID | None, list[Work]] = defaultdict(list)
    for one in found:
        grouped[one.named].append(one)
    return {named: tuple(work) for named, work in grouped.items()}


def _named(session: Session) -> UUID | None:
    found = _ID.search(session.application)
    return UUID(found[0]) if found else None


def _urgency(session: Session, roots: set[int]) -> int:
    if session.pid in roots:
        return 0
    if session.blocked_by:
        return 1
    if session.is_idle_in_transaction:
        return 2
    return 4 if session.state == "idle" else 3


def _age(session: Session) -> float:
    return session.transaction_seconds or session.state_seconds or session.session_seconds or 0.0
