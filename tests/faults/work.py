"""Sessions, tables, settings and tasks that go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg

from agentpg.db import Database
from agentpg.desk.finding import Finding, at_or_above
from agentpg.desk.tune.plans.findings import find
from agentpg.desk.tune.plans.reading import Question, read_plan
from agentpg.settings import Settings
from tests.faults.fault import Fault, Patient
from tests.faults.installation import Installation
from tests.faults.making import line, restart, session, set_to, sql

_ID = "0198c1a2-0000-7000-8000-00000000000b"
_GONE = "0198c1a2-0000-7000-8000-00000000000a"

_TASK = """
INSERT INTO agentic_ai.tasks (id, agent_name, task_type, status, created_at, run_at, {more})
VALUES ('{id}', 'Billing', 'invoice', '{status}', now() - interval '{age}',
        now() - interval '{age}', {values})
"""
_READ = "SELECT count(*) FROM wide WHERE n < 0"
_FORGET = "DELETE FROM agentic_ai.tasks"


def _task(status: str = "pending", age: str = "20 min", **more: str) -> str:
    """SQL that adds a task; `more` as SQL has it."""
    said = more or {"priority": "100"}
    return _TASK.format(
        id=_ID, status=status, age=age, more=", ".join(said), values=", ".join(said.values())
    )


@contextmanager
def _unwatched(here: Installation) -> Iterator[Patient]:
    """HealthAgent looked an hour ago, and contacts count on it."""
    here.run(
        "INSERT INTO agentic_ai.looks (room, looked_at) VALUES ('health', now() - interval '1 h')"
    )
    contacts = {f"notify_{who}_email": f"{who}@corp.internal" for who in ("dba", "ops")}
    yield here.as_it_is(**contacts)
    here.run("DELETE FROM agentic_ai.looks")


@contextmanager
def _blocked(here: Installation) -> Iterator[Patient]:
    lock = "LOCK TABLE agentic_ai.users IN ACCESS EXCLUSIVE MODE"
    with (
        session(here, "a migration", "BEGIN", lock),
        session(here, "a page", "SELECT count(*) FROM agentic_ai.users"),
    ):
        yield here.as_it_is(slow_wait="1ms")


@contextmanager
def _long(here: Installation) -> Iterator[Patient]:
    with session(here, "a report", "SELECT pg_sleep(600)"):
        yield here.as_it_is(slow_query="1ms")


@contextmanager
def _idle(here: Installation) -> Iterator[Patient]:
    with session(here, "a forgotten shell", "BEGIN", "SELECT count(*) FROM agentic_ai.tasks"):
        yield here.as_it_is(slow_idle="1ms")


@contextmanager
def _full_role(here: Installation) -> Iterator[Patient]:
    here.run("CREATE ROLE narrow LOGIN PASSWORD 'n' CONNECTION LIMIT 3")
    with ExitStack() as opened:
        dsn = f"{here.server.dsn('postgres')} user=narrow password=n"
        for _ in range(3):
            opened.enter_context(psycopg.connect(dsn))
        yield here.as_it_is()
    here.run("DROP ROLE narrow")


@contextmanager
def _from_disk(here: Installation) -> Iterator[Patient]:
    """A table that is much larger than the memory for pages is read again and again."""
    restart(here, shared_buffers="1MB", track_io_timing="on")
    here.run(
        "CREATE TABLE wide (n int, text text)",
        "ALTER TABLE wide ALTER text SET STORAGE PLAIN",
        "INSERT INTO wide SELECT n, repeat('x', 6000) FROM generate_series(1, 8000) AS n",
        "VACUUM ANALYZE wide",
        "SELECT pg_stat_reset()",
        *(2 * [_READ]),
    )
    yield here.as_it_is()


def _explained(database: Database, settings: Settings) -> Finding | None:
    """What `agentpg tune explain` says first."""
    del settings
    found = find(read_plan(database, Question(statement=_READ, analyze=True)))
    return next(iter(at_or_above(found, "info")), None)


_SESSIONS: tuple[Fault[Installation], ...] = (
    Fault(("S01",), "a migration holds a table, and others wait", _blocked,
          "LOCK TABLE, and a reader"),
    Fault(("S02",), "a report that runs for long", _long, "pg_sleep"),
    Fault(("S04",), "a transaction that somebody forgot", _idle, "BEGIN and a SELECT"),
    Fault(("S16",), "an index of the queue was dropped", sql(
        "DROP INDEX agentic_ai.tasks_ready_idx",
        undone=("CREATE INDEX tasks_ready_idx ON agentic_ai.tasks (priority, run_at, id)"
                " WHERE status = 'pending' AND held_reason IS NULL AND lane IS NULL",),
    ), "DROP INDEX"),
    Fault(("H01",), "a role has no connection left", _full_role,
          "CONNECTION LIMIT 3, three sessions"),
)  # fmt: skip

_TABLES: tuple[Fault[Installation], ...] = (
    Fault(("V02", "V03"), "many rows were loaded, and nobody has counted them", sql(
        "CREATE TABLE loaded AS SELECT n FROM generate_series(1, 50000) AS n",
        undone=("DROP TABLE loaded",),
    ), "50,000 rows, no ANALYZE"),
    Fault(("V04",), "autovacuum is off for a busy table", sql(
        "CREATE TABLE busy (n int) WITH (autovacuum_enabled = off)",
        "INSERT INTO busy SELECT generate_series(1, 12000)", "ANALYZE busy", "DELETE FROM busy",
        undone=("DROP TABLE busy",),
    ), "autovacuum_enabled = off, dead rows"),
    Fault(("V10",), "a sequence is near its end", sql(
        "CREATE TABLE numbered (small smallserial)", "SELECT setval('numbered_small_seq', 32500)",
        undone=("DROP TABLE numbered",),
    ), "setval"),
    Fault(("V12",), "a trigger is switched off", sql(
        "ALTER TABLE agentic_ai.tasks DISABLE TRIGGER USER",
        undone=("ALTER TABLE agentic_ai.tasks ENABLE TRIGGER USER",),
    ), "DISABLE TRIGGER"),
    Fault(("I05",), "an index was not built to its end", sql(
        "CREATE TABLE built AS SELECT n FROM generate_series(1, 1000) AS n", "ANALYZE built",
        "CREATE INDEX built_n ON built (n)",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'built_n'::regclass",
        undone=("DROP TABLE built",),
    ), "indisvalid = false"),
    Fault(("I03",), "an index is there twice", sql(
        "CREATE TABLE doubled (n bigint PRIMARY KEY, text text)",
        "INSERT INTO doubled SELECT n, md5(n::text) FROM generate_series(1, 100000) AS n",
        "CREATE INDEX doubled_text ON doubled (text)",
        "CREATE INDEX doubled_again ON doubled (text)", "VACUUM ANALYZE doubled",
        undone=("DROP TABLE doubled",),
    ), "CREATE INDEX, twice"),
    Fault(("V13",), "a constraint was never checked", sql(
        "CREATE TABLE child (n int)", "ALTER TABLE child ADD CHECK (n > 0) NOT VALID",
        undone=("DROP TABLE child",),
    ), "NOT VALID"),
)  # fmt: skip

_SETTINGS: tuple[Fault[Installation], ...] = (
    Fault(("G01",), "a file of settings has a line that cannot be used",
          line("postgresql.auto.conf", "work_mem = 'much'"), "work_mem = 'much'"),
    Fault(("G02",), "pg_hba.conf has a line that cannot be used",
          line("pg_hba.conf", "host all"), "half a line"),
    Fault(("G04",), "fsync is off", set_to("fsync", "off"), "ALTER SYSTEM"),
    Fault(("G05",), "the planner may not hash", set_to("enable_hashjoin", "off"),
          "ALTER SYSTEM"),
    Fault(("V04", "G06"), "autovacuum is off", set_to("autovacuum", "off"), "ALTER SYSTEM"),
)  # fmt: skip

_TASKS: tuple[Fault[Installation], ...] = (
    Fault(("T01",), "tasks wait, and no worker runs them", sql(_task(), undone=(_FORGET,)),
          "a task of 20 minutes ago"),
    Fault(("T03",), "a worker is gone with its task", sql(
        _task("running", worker=f"'{_GONE}'", attempt="1",
              started_at="now() - interval '5 min'"),
        "INSERT INTO agentic_ai.agent_executions"
        " (task_id, attempt, agent_name, task_type, execution_start, worker) VALUES"
        f" ('{_ID}', 1, 'Billing', 'invoice', now() - interval '5 min', '{_GONE}')",
        undone=(_FORGET, "DELETE FROM agentic_ai.agent_executions"),
    ), "a running task of nobody"),
    Fault(("T08",), "a task is held for days", sql(
        _task(age="9 d", held_reason="'the press is away'"), undone=(_FORGET,)
    ), "held 9 days ago"),
    Fault(("T10",), "a schedule does not fire", sql(
        "INSERT INTO agentic_ai.schedules (name, agent_name, task_type, cron, next_at)"
        " VALUES ('monthly', 'Billing', 'invoice', '@monthly', now() - interval '5 min')",
        undone=("DELETE FROM agentic_ai.schedules",),
    ), "next_at in the past"),
    Fault(("T12",), "the schema is newer than this release", sql(
        "UPDATE agentic_ai.schema_migrations SET version = version + 50, works_with = 99",
        undone=("UPDATE agentic_ai.schema_migrations SET version = version - 50, works_with = 1",),
    ), "version + 50"),
)  # fmt: skip

_KEEP = "ALTER TABLE agentic_ai.{} {} TRIGGER USER"

_WATCHING: tuple[Fault[Installation], ...] = (
    Fault(
        ("U02",),
        "an account that nobody uses",
        sql(
            "INSERT INTO agentic_ai.users (username, role, created_at)"
            " VALUES ('left', 'admin', now() - interval '99 days')",
            "INSERT INTO agentic_ai.account_details (user_id, password_set_at)"
            " SELECT id, now() FROM agentic_ai.users",
            undone=("DELETE FROM agentic_ai.users", "DELETE FROM agentic_ai.account_details"),
        ),
        "an account of 99 days",
    ),
    Fault(
        ("U07",),
        "an entry of the audit log was changed",
        sql(
            "INSERT INTO agentic_ai.audit_log (action) VALUES ('task.cancel'), ('task.retry')",
            _KEEP.format("audit_log", "DISABLE"),
            "UPDATE agentic_ai.audit_log SET action = 'task.hold' WHERE number = 1",
            _KEEP.format("audit_log", "ENABLE"),
            undone=(
                _KEEP.format("audit_log", "DISABLE"),
                _KEEP.format("audit_head", "DISABLE"),
                "DELETE FROM agentic_ai.audit_log",
                "DELETE FROM agentic_ai.audit_head",
                _KEEP.format("audit_log", "ENABLE"),
                _KEEP.format("audit_head", "ENABLE"),
            ),
        ),
        "2 entries, the first with another action",
    ),
    Fault(
        ("N03",),
        "nobody looks any more, and people count on it",
        _unwatched,
        "the last look an hour ago",
    ),
)

_READING: tuple[Fault[Installation], ...] = (
    Fault(("S14",), "pages are read from the disk again and again", _from_disk,
          "shared_buffers = 1MB, a table of 63 MB", alone=True),
    Fault(("P16",), "a statement waits for the disk", _from_disk,
          "the same, asked of tune explain", alone=True, ask=_explained),
)  # fmt: skip

_ROLES: tuple[Fault[Installation], ...] = (
    Fault(("R02",), "a worker's role has lost its rights", sql(
        "CREATE ROLE agentic_ai_agent NOLOGIN", undone=("DROP ROLE agentic_ai_agent",),
    ), "a role without a grant", words=("agentic_ai_agent",)),
)  # fmt: skip

FAULTS = (*_READING, *_SESSIONS, *_TABLES, *_SETTINGS, *_TASKS, *_WATCHING, *_ROLES)
