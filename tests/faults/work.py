"""Sessions, tables, settings and tasks that go wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress

import psycopg

from tests.faults.fault import Fault, Patient
from tests.faults.installation import Installation
from tests.waiting import eventually

Make = Callable[[Installation], AbstractContextManager[Patient]]

_ID = "0198c1a2-0000-7000-8000-00000000000b"
_GONE = "0198c1a2-0000-7000-8000-00000000000a"

_TASK = """
INSERT INTO agentic_ai.tasks (id, agent_name, task_type, status, created_at, run_at, {more})
VALUES ('{id}', 'Billing', 'invoice', '{status}', now() - interval '{age}',
        now() - interval '{age}', {values})
"""
_FORGET = "DELETE FROM agentic_ai.tasks"


def _task(status: str = "pending", age: str = "20 min", **more: str) -> str:
    """SQL that adds a task; `more` as SQL has it."""
    said = more or {"priority": "100"}
    return _TASK.format(
        id=_ID, status=status, age=age, more=", ".join(said), values=", ".join(said.values())
    )


def _sql(*done: str, undone: tuple[str, ...] = ()) -> Make:
    """What SQL makes and takes back."""

    @contextmanager
    def make(here: Installation) -> Iterator[Patient]:
        here.run(*done)
        try:
            yield here.as_it_is()
        finally:
            here.run(*undone)

    return make


@contextmanager
def _unwatched(here: Installation) -> Iterator[Patient]:
    """HealthAgent looked an hour ago, and contacts count on it."""
    here.run(
        "INSERT INTO agentic_ai.looks (room, looked_at) VALUES ('health', now() - interval '1 h')"
    )
    contacts = {f"notify_{who}_email": f"{who}@corp.internal" for who in ("dba", "ops")}
    yield here.as_it_is(**contacts)
    here.run("DELETE FROM agentic_ai.looks")


def _set(name: str, value: str) -> Make:
    """A setting of the server that somebody has changed."""

    @contextmanager
    def make(here: Installation) -> Iterator[Patient]:
        here.run(f"ALTER SYSTEM SET {name} = {value}", "SELECT pg_reload_conf()")
        eventually(lambda: here.ask(f"SHOW {name}") == [(value,)])
        try:
            yield here.as_it_is()
        finally:
            here.run(f"ALTER SYSTEM RESET {name}", "SELECT pg_reload_conf()")
            eventually(lambda: here.ask(f"SHOW {name}") != [(value,)])

    return make


def _line(file: str, line: str) -> Make:
    """A line that somebody has added to a file of the server."""

    @contextmanager
    def make(here: Installation) -> Iterator[Patient]:
        path = here.server.status().data / file
        before = path.read_text(encoding="utf-8")
        path.write_text(f"{before}{line}\n", encoding="utf-8")
        try:
            yield here.as_it_is()
        finally:
            path.write_text(before, encoding="utf-8")

    return make


@contextmanager
def _session(here: Installation, name: str, *statements: str) -> Iterator[None]:
    """A session that runs these, one after another, and stays where it is."""
    dsn = here.server.dsn("postgres")
    with closing(psycopg.connect(dsn, application_name=name, autocommit=True)) as connection:

        def run() -> None:
            with suppress(psycopg.Error):
                for statement in statements:
                    connection.execute(statement.encode())

        thread = threading.Thread(target=run)
        thread.start()
        last = statements[-1].replace("'", "''")
        at_it = f"SELECT 1 FROM pg_stat_activity WHERE application_name = '{name}'"
        eventually(lambda: here.ask(f"{at_it} AND query = '{last}'") != [])
        eventually(lambda: here.ask(f"{at_it} AND (wait_event IS NOT NULL)") != [])
        yield
        here.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE application_name = '{name}'"
        )
        thread.join()


@contextmanager
def _blocked(here: Installation) -> Iterator[Patient]:
    lock = "LOCK TABLE agentic_ai.users IN ACCESS EXCLUSIVE MODE"
    with (
        _session(here, "a migration", "BEGIN", lock),
        _session(here, "a page", "SELECT count(*) FROM agentic_ai.users"),
    ):
        yield here.as_it_is(slow_wait="1ms")


@contextmanager
def _long(here: Installation) -> Iterator[Patient]:
    with _session(here, "a report", "SELECT pg_sleep(600)"):
        yield here.as_it_is(slow_query="1ms")


@contextmanager
def _idle(here: Installation) -> Iterator[Patient]:
    with _session(here, "a forgotten shell", "BEGIN", "SELECT count(*) FROM agentic_ai.tasks"):
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


_SESSIONS: tuple[Fault[Installation], ...] = (
    Fault(("S01",), "a migration holds a table, and others wait", _blocked),
    Fault(("S02",), "a report that runs for long", _long),
    Fault(("S04",), "a transaction that somebody forgot", _idle),
    Fault(("S16",), "an index of the queue was dropped", _sql(
        "DROP INDEX agentic_ai.tasks_ready_idx",
        undone=("CREATE INDEX tasks_ready_idx ON agentic_ai.tasks (priority, run_at, id)"
                " WHERE status = 'pending' AND held_reason IS NULL AND lane IS NULL",),
    )),
    Fault(("H01",), "a role has no connection left", _full_role),
)  # fmt: skip

_TABLES: tuple[Fault[Installation], ...] = (
    Fault(("V02", "V03"), "many rows were loaded, and nobody has counted them", _sql(
        "CREATE TABLE loaded AS SELECT n FROM generate_series(1, 50000) AS n",
        undone=("DROP TABLE loaded",),
    )),
    Fault(("V04",), "autovacuum is off for a busy table", _sql(
        "CREATE TABLE busy (n int) WITH (autovacuum_enabled = off)",
        "INSERT INTO busy SELECT generate_series(1, 12000)", "ANALYZE busy", "DELETE FROM busy",
        undone=("DROP TABLE busy",),
    )),
    Fault(("V10",), "a sequence is near its end", _sql(
        "CREATE TABLE numbered (small smallserial)", "SELECT setval('numbered_small_seq', 32500)",
        undone=("DROP TABLE numbered",),
    )),
    Fault(("V12",), "a trigger is switched off", _sql(
        "ALTER TABLE agentic_ai.tasks DISABLE TRIGGER USER",
        undone=("ALTER TABLE agentic_ai.tasks ENABLE TRIGGER USER",),
    )),
    Fault(("I05",), "an index was not built to its end", _sql(
        "CREATE TABLE built AS SELECT n FROM generate_series(1, 1000) AS n", "ANALYZE built",
        "CREATE INDEX built_n ON built (n)",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'built_n'::regclass",
        undone=("DROP TABLE built",),
    )),
    Fault(("I03",), "an index is there twice", _sql(
        "CREATE TABLE doubled (n bigint PRIMARY KEY, text text)",
        "INSERT INTO doubled SELECT n, md5(n::text) FROM generate_series(1, 100000) AS n",
        "CREATE INDEX doubled_text ON doubled (text)",
        "CREATE INDEX doubled_again ON doubled (text)", "VACUUM ANALYZE doubled",
        undone=("DROP TABLE doubled",),
    )),
    Fault(("V13",), "a constraint was never checked", _sql(
        "CREATE TABLE child (n int)", "ALTER TABLE child ADD CHECK (n > 0) NOT VALID",
        undone=("DROP TABLE child",),
    )),
)  # fmt: skip

_SETTINGS: tuple[Fault[Installation], ...] = (
    Fault(("G01",), "a file of settings has a line that cannot be used",
          _line("postgresql.auto.conf", "work_mem = 'much'")),
    Fault(("G02",), "pg_hba.conf has a line that cannot be used",
          _line("pg_hba.conf", "host all")),
    Fault(("G04",), "fsync is off", _set("fsync", "off")),
    Fault(("G05",), "the planner may not hash", _set("enable_hashjoin", "off")),
    Fault(("V04", "G06"), "autovacuum is off", _set("autovacuum", "off")),
)  # fmt: skip

_TASKS: tuple[Fault[Installation], ...] = (
    Fault(("T01",), "tasks wait, and no worker runs them", _sql(_task(), undone=(_FORGET,))),
    Fault(("T03",), "a worker is gone with its task", _sql(
        _task("running", worker=f"'{_GONE}'", attempt="1",
              started_at="now() - interval '5 min'"),
        "INSERT INTO agentic_ai.agent_executions"
        " (task_id, attempt, agent_name, task_type, execution_start, worker) VALUES"
        f" ('{_ID}', 1, 'Billing', 'invoice', now() - interval '5 min', '{_GONE}')",
        undone=(_FORGET, "DELETE FROM agentic_ai.agent_executions"),
    )),
    Fault(("T08",), "a task is held for days", _sql(
        _task(age="9 d", held_reason="'the press is away'"), undone=(_FORGET,)
    )),
    Fault(("T10",), "a schedule does not fire", _sql(
        "INSERT INTO agentic_ai.schedules (name, agent_name, task_type, cron, next_at)"
        " VALUES ('monthly', 'Billing', 'invoice', '@monthly', now() - interval '5 min')",
        undone=("DELETE FROM agentic_ai.schedules",),
    )),
    Fault(("T12",), "the schema is newer than this release", _sql(
        "UPDATE agentic_ai.schema_migrations SET version = version + 50, works_with = 99",
        undone=("UPDATE agentic_ai.schema_migrations SET version = version - 50, works_with = 1",),
    )),
)  # fmt: skip

_WATCHING: tuple[Fault[Installation], ...] = (
    Fault(("N03",), "nobody looks any more, and people count on it", _unwatched),
)

FAULTS = (*_SESSIONS, *_TABLES, *_SETTINGS, *_TASKS, *_WATCHING)
