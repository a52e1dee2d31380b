"""Facts of a server that is well, for tests that change one of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from agentpg.desk.doctor.slow.facts import (
    Checkpoints,
    Counters,
    Facts,
    Index,
    LockTable,
    Log,
    Logging,
    OwnPlan,
    OwnPlans,
    Server,
    Statement,
    Statements,
)
from agentpg.desk.monitor.sessions import Activity, Connections, Session

NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)


def a_session(pid: int, **other: Any) -> Session:
    """A session of psql that has just begun a statement."""
    said: dict[str, Any] = {
        "pid": pid,
        "database": "agentic_ai",
        "role": "admin",
        "application": "psql",
        "client": "127.0.0.1",
        "kind": "client backend",
        "state": "active",
        "wait_type": None,
        "wait_event": None,
        "started_at": NOW,
        "query_started_at": NOW,
        "session_seconds": 1.0,
        "transaction_seconds": 0.1,
        "query_seconds": 0.1,
        "state_seconds": 0.1,
        "blocked_by": [],
        "query": "SELECT 1",
        "hidden": False,
    }
    return Session(**{**said, **other})


def activity(*sessions: Session) -> Activity:
    """These sessions of a server."""
    counted = Connections(
        database="agentic_ai",
        most=100,
        reserved=3,
        processes=9,
        sessions=len(sessions),
        hidden=0,
        read_at=NOW,
    )
    return Activity(connections=counted, sessions=sessions)


def a_statement(number: int, **other: Any) -> Statement:
    """A statement that takes a millisecond a call."""
    said: dict[str, Any] = {
        "id": number,
        "text": f"SELECT a FROM t{number} WHERE b = $1",
        "calls": 1000,
        "milliseconds": 1000.0,
        "longest_milliseconds": 9.0,
        "rows": 1000,
        "pages_hit": 3000,
        "pages_read": 10,
        "read_milliseconds": 0.0,
        "temp_bytes": 0,
    }
    return Statement(**{**said, **other})


def statements(*dearest: Statement, **other: Any) -> Statements:
    """What pg_stat_statements has, of two hours."""
    said: dict[str, Any] = {
        "since": NOW - timedelta(hours=2),
        "evictions": 0,
        "most": 5000,
        "number": len(dearest),
        "hidden": 0,
        "milliseconds": sum(one.milliseconds for one in dearest),
        "dearest": dearest,
    }
    return Statements(**{**said, **other})


def a_plan(**other: Any) -> OwnPlan:
    """The claim, as it must be planned."""
    said: dict[str, Any] = {
        "name": "claim",
        "wanted": ("tasks_ready_idx",),
        "used": ("tasks_ready_idx", "workers_pkey"),
        "scanned": (),
        "sorts": False,
    }
    return OwnPlan(**{**said, **other})


READY = Index(
    name="tasks_ready_idx",
    table="tasks",
    table_bytes=10**9,
    valid=True,
    is_key=False,
    definition="CREATE INDEX tasks_ready_idx ON agentic_ai.tasks USING btree (priority)",
)


def plans(*own: OwnPlan, index: Index | None = READY) -> OwnPlans:
    """Our own statements' plans, beside an index that is there or not."""
    return OwnPlans(
        schema="agentic_ai",
        plans=own,
        indexes=() if index is None else (index,),
        made_by={"tasks_ready_idx": "CREATE INDEX CONCURRENTLY tasks_ready_idx ON …"},
    )


def counters(**other: Any) -> Counters:
    """A database with nothing to be said of."""
    said: dict[str, Any] = {
        "deadlocks": 0,
        "temp_files": 0,
        "temp_bytes": 0,
        "pages_hit": 1_000_000,
        "pages_read": 20_000,
        "read_milliseconds": 0.0,
        "active_milliseconds": 10_000.0,
        "times_reads": True,
        "since": NOW - timedelta(days=1),
    }
    return Counters(**{**said, **other})


def facts(**other: Any) -> Facts:
    """Facts where all is well but for what is said."""
    well = Facts(
        server=Server(
            database="agentic_ai",
            role="monitor",
            version=180000,
            in_recovery=False,
            sees_all=True,
            has_schema=True,
            now=NOW,
        ),
        activity=activity(a_session(41)),
        waits=(),
        prepared=(),
        holders=(),
        lock_table=LockTable(taken=10, room=6400, pid=41, of_most=10),
        counters=counters(),
        checkpoints=Checkpoints(timed=90, requested=10, since=NOW),
        statements=statements(a_statement(1)),
        earlier=None,
        own_plans=plans(a_plan()),
        logging=Logging(least_duration="1s", tells_waits=True, language="C", now=NOW),
        log=Log(path="log", bytes_read=1000, entries=()),
    )
    return replace(well, **other)
