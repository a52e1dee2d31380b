"""What people do to a database by mistake: its objects, roles, settings and sessions.

These were written by an operator's experience, before it was known what the doctor says of each:
what is said must have the culprit's name, whatever its code.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

import psycopg
from psycopg.conninfo import conninfo_to_dict

from agentpg import Client
from agentpg.db import Database
from agentpg.desk.monitor.samples import keep_sample
from tests.faults.fault import Fault, Patient
from tests.faults.installation import Installation
from tests.faults.making import end, line, restart, session, set_to, sql, wait_for
from tests.waiting import eventually

_ORDERS = """
CREATE TABLE orders (n int PRIMARY KEY, kind int);
INSERT INTO orders SELECT n, n % 10 FROM generate_series(1, 50000) AS n;
ANALYZE orders
"""
_FORGET_ORDERS = "DROP TABLE orders"

# It writes 55 MB to the disk, where it has but 64 kB.
_SORT = """
SELECT count(*) FROM (
    SELECT repeat(md5(n::text), 8) AS text FROM generate_series(1, 200000) AS n
    ORDER BY 1 OFFSET 0
) AS sorted
"""

_SLEEPS = """
CREATE FUNCTION slow_audit() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN PERFORM pg_sleep(0.3); RETURN NEW; END $$
"""


@contextmanager
def _sleeping_trigger(here: Installation) -> Iterator[Patient]:
    on_tasks = "BEFORE INSERT ON agentic_ai.tasks FOR EACH ROW EXECUTE FUNCTION slow_audit()"
    here.run(_SLEEPS, f"CREATE TRIGGER slow_audit {on_tasks}")
    with Client(Database(here.server.dsn(), "agentic_ai")) as client:
        for _ in range(10):
            client.submit("Billing", "invoice")
    yield here.as_it_is()
    here.run(
        "DROP FUNCTION slow_audit() CASCADE",
        "DELETE FROM agentic_ai.tasks",
        "SELECT pg_stat_statements_reset()",
    )


@contextmanager
def _prepared(here: Installation) -> Iterator[Patient]:
    restart(here, max_prepared_transactions="5")
    here.run(_ORDERS)
    with psycopg.connect(here.server.dsn("postgres"), autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute("UPDATE orders SET kind = 0 WHERE n = 1")
        connection.execute("PREPARE TRANSACTION 'forgotten'")
    with session(here, "a page", "UPDATE orders SET kind = 1 WHERE n = 1"):
        yield here.as_it_is(slow_wait="1ms")


@contextmanager
def _dead_subscriber(here: Installation) -> Iterator[Patient]:
    restart(here, wal_level="logical")
    here.run("SELECT pg_create_logical_replication_slot('reports_sub', 'pgoutput')")
    here.write_wal(5)
    yield here.as_it_is()


@contextmanager
def _psql(here: Installation) -> Iterator[Patient]:
    """A real psql, in which somebody has locked the queue and gone for lunch."""
    dsn = here.server.dsn("postgres")
    command = [str(here.server.tool("psql")), "--no-psqlrc", dsn]
    lock = "LOCK TABLE agentic_ai.tasks IN EXCLUSIVE MODE;"
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as shell:
        assert shell.stdin is not None
        shell.stdin.write(f"BEGIN;\n{lock}\n")
        shell.stdin.flush()
        wait_for(here, "psql", lock)
        insert = "INSERT INTO agentic_ai.tasks (agent_name, task_type) VALUES ('Billing', 'x')"
        with session(here, "the application", insert):
            yield here.as_it_is(slow_wait="1ms")
            end(here, "the application")
        shell.kill()


@contextmanager
def _queue_of_locks(here: Installation) -> Iterator[Patient]:
    """DDL waits for a reader, and all others wait for the DDL."""
    with (
        session(here, "a forgotten report", "BEGIN", "SELECT count(*) FROM agentic_ai.users"),
        session(here, "a migration", "ALTER TABLE agentic_ai.users ADD COLUMN more text"),
        session(here, "a page", "SELECT count(*) FROM agentic_ai.users"),
    ):
        yield here.as_it_is(slow_wait="1ms")
        end(here, "a migration")


@contextmanager
def _stalled_export(here: Installation) -> Iterator[Patient]:
    copy = "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 1000000)) TO STDOUT"
    dsn = here.server.dsn("postgres")
    with closing(psycopg.connect(dsn, application_name="a slow export")) as connection:
        connection.pgconn.send_query(copy.encode())
        waits = (
            "SELECT 1 FROM pg_stat_activity WHERE application_name = 'a slow export'"
            " AND wait_event = 'ClientWrite'"
        )
        eventually(lambda: here.ask(waits) != [])
        yield here.as_it_is(slow_query="1ms")
        end(here, "a slow export")


@contextmanager
def _leak(here: Installation) -> Iterator[Patient]:
    restart(here, max_connections="40")
    with ExitStack() as opened:
        dsn = here.server.dsn("postgres")
        for _ in range(33):
            opened.enter_context(psycopg.connect(dsn, application_name="leaky-app"))
        yield here.as_it_is()


@contextmanager
def _no_standby(here: Installation) -> Iterator[Patient]:
    """Every commit waits for a standby that is gone."""
    with set_to("synchronous_standby_names", "gone")(here):
        insert = "CREATE TABLE orders (n int)"
        with session(here, "the application", insert):
            yield here.as_it_is(slow_wait="1ms", slow_query="1ms")
    with suppress(psycopg.Error):
        here.run("DROP TABLE IF EXISTS orders")


@contextmanager
def _deadlocks(here: Installation) -> Iterator[Patient]:
    here.run(_ORDERS, "ALTER SYSTEM SET deadlock_timeout = '10ms'", "SELECT pg_reload_conf()")
    keep_sample(here.with_schema)
    first, second = (f"UPDATE orders SET kind = 0 WHERE n = {n}" for n in (1, 2))
    dsn = here.server.dsn("postgres")
    for _ in range(5):
        with psycopg.connect(dsn) as one:
            one.execute(first.encode())
            with session(here, "the other", "BEGIN", second, first), suppress(psycopg.Error):
                one.execute(second.encode())
    yield here.as_it_is()


@contextmanager
def _spills(here: Installation) -> Iterator[Patient]:
    restart(here, work_mem="64kB")
    keep_sample(here.with_schema)
    for _ in range(24):
        here.run(_SORT)
    yield here.as_it_is()


@contextmanager
def _spilled_over(here: Installation) -> Iterator[Patient]:
    restart(here, work_mem="64kB", temp_file_limit="1MB")
    # A superuser may write as much as it likes.
    owner = here.server.dsn()
    for _ in range(5):
        with suppress(psycopg.Error), psycopg.connect(owner) as connection:
            connection.execute(_SORT.encode())
    yield here.as_it_is()


@contextmanager
def _checkpoints(here: Installation) -> Iterator[Patient]:
    restart(here, max_wal_size="32MB", min_wal_size="32MB")
    for _ in range(20):
        here.write_wal(2)
    yield here.as_it_is()


@contextmanager
def _failing(here: Installation) -> Iterator[Patient]:
    here.run(
        "INSERT INTO agentic_ai.tasks (agent_name, task_type, status, created_at, finished_at,"
        " started_at, attempt, errors, error_message) SELECT 'Billing', 'invoice', 'failed', at,"
        " at, at, 1, 1, 'ValueError: no such customer'"
        " FROM (SELECT now() - n * interval '10 s' AS at FROM generate_series(1, 60) AS n) AS o",
        "INSERT INTO agentic_ai.agent_executions (task_id, attempt, agent_name, task_type,"
        " execution_start, execution_end, duration_seconds, outcome, error_message)"
        " SELECT id, 1, agent_name, task_type, started_at, finished_at, 0.1, 'failed',"
        " error_message FROM agentic_ai.tasks",
    )
    yield here.as_it_is()
    here.run("DELETE FROM agentic_ai.tasks", "DELETE FROM agentic_ai.agent_executions")


@contextmanager
def _failed_build(here: Installation) -> Iterator[Patient]:
    here.run(_ORDERS)
    with suppress(psycopg.Error):
        here.run("CREATE UNIQUE INDEX CONCURRENTLY orders_number ON orders (kind)")
    yield here.as_it_is()
    here.run(_FORGET_ORDERS)


@contextmanager
def _short_of_time(here: Installation) -> Iterator[Patient]:
    owner = conninfo_to_dict(here.server.dsn())["user"]
    here.run(f"ALTER ROLE {owner} SET statement_timeout = '1ms'")
    yield here.as_it_is()
    here.run(f"ALTER ROLE {owner} RESET statement_timeout")


_OBJECTS: tuple[Fault[Installation], ...] = (
    Fault((), "the index that keeps tasks from being submitted twice is gone", sql(
        "DROP INDEX agentic_ai.tasks_idempotency_key_idx",
        undone=("CREATE UNIQUE INDEX tasks_idempotency_key_idx ON agentic_ai.tasks"
                " (agent_name, task_type, idempotency_key) WHERE idempotency_key IS NOT NULL",),
    ), "DROP INDEX", ("tasks_idempotency_key_idx",)),
    Fault((), "the trigger that wakes the workers is gone", sql(
        "DROP TRIGGER wake_workers ON agentic_ai.tasks",
        undone=("CREATE TRIGGER wake_workers AFTER INSERT ON agentic_ai.tasks"
                " FOR EACH STATEMENT EXECUTE FUNCTION agentic_ai.wake_workers()",),
    ), "DROP TRIGGER", ("wake_workers",)),
    Fault((), "a table of the engine is lost at the next crash", sql(
        "ALTER TABLE agentic_ai.tasks SET UNLOGGED",
        undone=("ALTER TABLE agentic_ai.tasks SET LOGGED",),
    ), "SET UNLOGGED", ("unlogged", "tasks")),
    Fault((), "a table's statistics are gone", sql(
        _ORDERS,
        "DELETE FROM pg_statistic WHERE starelid = 'orders'::regclass",
        undone=(_FORGET_ORDERS,),
    ), "DELETE FROM pg_statistic", ("orders", "statistic|analy[sz]e")),
    Fault((), "a trigger sleeps at each task", _sleeping_trigger,
          "a trigger with pg_sleep, and submissions", ("slow_audit",)),
    Fault((), "an integer column is nearly at its end, its sequence is not", sql(
        "CREATE SEQUENCE order_numbers",
        "CREATE TABLE orders (id int PRIMARY KEY DEFAULT nextval('order_numbers'))",
        "ALTER SEQUENCE order_numbers OWNED BY orders.id",
        "SELECT setval('order_numbers', 2147000000)",
        undone=(_FORGET_ORDERS,),
    ), "a bigint sequence for an int", ("order",)),
    Fault((), "vacuum never comes, though it is on", sql(
        "CREATE TABLE orders (n int PRIMARY KEY) WITH (autovacuum_vacuum_threshold = 2000000000)",
        "INSERT INTO orders SELECT generate_series(1, 12000)", "ANALYZE orders",
        "DELETE FROM orders",
        undone=(_FORGET_ORDERS,),
    ), "a threshold of 2e9, and dead rows", ("orders", "vacuum")),
    Fault((), "a unique index could not be built to its end", _failed_build,
          "CREATE UNIQUE INDEX CONCURRENTLY over a double", ("orders_number",)),
    Fault((), "the extension that counts statements is gone", sql(
        "DROP EXTENSION pg_stat_statements", undone=("CREATE EXTENSION pg_stat_statements",),
    ), "DROP EXTENSION", ("pg_stat_statements",)),
    Fault((), "the machine's collation is another than the database's", sql(
        "UPDATE pg_database SET datcollversion = '1.0' WHERE datname = current_database()",
        undone=("ALTER DATABASE agentic_ai REFRESH COLLATION VERSION",),
    ), "another version recorded, as after an upgrade", ("collation",)),
)  # fmt: skip

_SETTINGS: tuple[Fault[Installation], ...] = (
    Fault((), "pg_hba.conf was changed, and nobody has loaded it",
          line("pg_hba.conf", "host all all 10.0.0.0/8 scram-sha-256"),
          "a good line, no reload", ("pg_hba", "reload")),
    Fault((), "a setting waits for a restart that nobody has made", sql(
        "ALTER SYSTEM SET max_connections = 300", "SELECT pg_reload_conf()",
        undone=("ALTER SYSTEM RESET max_connections", "SELECT pg_reload_conf()"),
    ), "ALTER SYSTEM, no restart", ("max_connections", "restart")),
    Fault((), "nobody may write", set_to("default_transaction_read_only", "on"),
          "default_transaction_read_only", ("read.only",)),
    Fault((), "a role has a millisecond for each statement", _short_of_time,
          "ALTER ROLE … statement_timeout", ("statement_timeout|statement time",)),
    Fault((), "every commit waits for a standby that is gone", _no_standby,
          "synchronous_standby_names", ("gone", "standby")),
    Fault((), "sorts do not fit into the memory that they may have", _spills,
          "work_mem = 64kB, and sorts", ("work_mem|temporary",), alone=True),
    Fault((), "sorts fail at the limit of temporary files", _spilled_over,
          "temp_file_limit, and sorts", ("temp_file_limit",), alone=True),
    Fault((), "checkpoints come one after another", _checkpoints,
          "max_wal_size = 32MB, and writes", ("checkpoint|max_wal_size",), alone=True),
)  # fmt: skip

_SESSIONS: tuple[Fault[Installation], ...] = (
    Fault((), "a prepared transaction was left, and holds a row", _prepared,
          "PREPARE TRANSACTION", ("forgotten", "prepared"), alone=True),
    Fault((), "the slot of a subscriber that is dead", _dead_subscriber,
          "a logical slot, and writes", ("reports_sub",), alone=True),
    Fault((), "somebody locked the queue in psql and went for lunch", _psql,
          "a real psql with LOCK TABLE", ("psql",)),
    Fault((), "a migration waits for a reader, and all others for it", _queue_of_locks,
          "three sessions", ("a forgotten report",)),
    Fault((), "an export whose reader has stopped reading", _stalled_export,
          "COPY TO STDOUT, nobody reads", ("a slow export", "client|read")),
    Fault((), "one application has nearly all connections", _leak,
          "33 idle connections of 40", ("leaky-app",), alone=True),
    Fault((), "transactions block each other again and again", _deadlocks,
          "five real deadlocks", ("deadlock",), alone=True),
    Fault((), "an agent's tasks all fail", _failing, "60 failed tasks", ("Billing", "fail")),
)  # fmt: skip

FAULTS = (*_OBJECTS, *_SETTINGS, *_SESSIONS)
