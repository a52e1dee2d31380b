"""What the alert rules are about, made on a real primary with a standby and a repository."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from agentpg.db import Connection, Database, ServerError, connect, make_conninfo
from agentpg.desk.monitor.metrics.aside import Aside
from agentpg.desk.monitor.metrics.backups import look_at_backups
from agentpg.desk.monitor.metrics.collecting import Collecting
from agentpg.desk.monitor.metrics.rendering import text_of
from agentpg.embedded import EmbeddedServer
from agentpg.settings import load_settings
from tests.desk.backup.watched import HOUR, Watched
from tests.desk.monitor.ruled import Scrape, scraped
from tests.servers import SCHEMA
from tests.waiting import eventually

OPTIONS = {
    "wal_level": "replica",
    "wal_keep_size": "1GB",
    "hot_standby": "on",
    "max_connections": "30",
    "archive_mode": "on",
    "archive_command": "test -f %p",
    "deadlock_timeout": "10ms",
    "autovacuum_naptime": "1s",
    # The least that there may be.
    "autovacuum_freeze_max_age": "100000",
}

EXECUTIONS = """
INSERT INTO agent_executions (task_id, attempt, agent_name, task_type, execution_start,
                              execution_end, duration_seconds, outcome)
SELECT uuid7(), 1, 'Billing', 'invoice', now() - interval '5 s', now(), 1, outcome
FROM unnest(%s::text[]) AS outcome
"""
_TROUBLE = """
INSERT INTO tasks (agent_name, task_type, status, created_at, run_at)
VALUES ('Nobody', 'waits', 'pending', now() - interval '11 min', now() - interval '11 min');
INSERT INTO workers (id, host, pid, version, concurrency, lease_seconds, handlers, heartbeat_at)
VALUES (uuid7(), 'burgess', 4711, '0.1.0', 20, 30, '[]', now() - interval '9 min');
INSERT INTO schedules (name, agent_name, task_type, cron, next_at)
VALUES ('late', 'Report', 'weekly', '0 7 * * 1', now() - interval '9 min');
"""
_OVER = "DELETE FROM tasks; DELETE FROM workers; DELETE FROM schedules"
TRANSACTIONS = """
DO $$
BEGIN
    FOR n IN 1..1100 LOOP PERFORM n; COMMIT; END LOOP;
    FOR n IN 1..900 LOOP PERFORM n; ROLLBACK; END LOOP;
END
$$
"""
# An id for each.
_AGE = """
DO $$
BEGIN
    FOR n IN 1..130000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP;
END
$$
"""
_SPILL = "SELECT max(n) FROM (SELECT n FROM generate_series(1, 900000) AS n ORDER BY n DESC) AS s"


@dataclass(frozen=True, slots=True)
class Place:
    """A primary with a standby and a repository, and what it is scraped with."""

    primary: EmbeddedServer
    standby: EmbeddedServer
    folder: Path

    @property
    def database(self) -> Database:
        """As a superuser."""
        return Database(self.primary.dsn("postgres"), SCHEMA)

    def repository(self, name: str) -> Watched:
        """One of the repositories, with its backups."""
        return Watched(self.database, self.folder / name)

    def collecting(self, repository: str = "well", dsn: str = "") -> Collecting:
        """As `agentpg monitor metrics` has it."""
        settings = load_settings(**self.repository(repository).settings)
        aside = Aside("backups", lambda: look_at_backups(self.database, settings))
        aside.found(timedelta(seconds=10))
        database = Database(dsn, SCHEMA) if dsn else self.database
        return Collecting(database, reach=HOUR, aside=[aside])

    def scrape(self, repository: str = "well", dsn: str = "") -> Scrape:
        """What it tells now."""
        collecting = self.collecting(repository, dsn)
        try:
            return scraped(text_of(collecting))
        finally:
            collecting.close()

    def run(self, *statements: str) -> list[tuple[object, ...]]:
        """Each in a session of its own, whose counts are told when it ends."""
        rows: list[tuple[object, ...]] = []
        for statement in statements:
            with connect(self.database) as connection:
                cursor = connection.execute(statement.encode())
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def set(self, **settings: str) -> None:
        """Settings that hold at once, or after a restart."""
        for name, value in settings.items():
            self.run(f"ALTER SYSTEM SET {name} = '{value}'")
        self.run("SELECT pg_reload_conf()")


@contextmanager
def damaged(place: Place) -> Iterator[Scrape]:
    """A page of a table is damaged on the disk while the server is away; what is told then."""
    place.run(
        "CREATE TABLE broken WITH (autovacuum_enabled = off)"
        " AS SELECT repeat('x', 100) FROM generate_series(1, 1000)",
        "CHECKPOINT",
    )
    [(path,)] = place.run("SELECT pg_relation_filepath('broken')")
    place.primary.stop()
    away = place.scrape()
    with (place.primary.status().data / str(path)).open("r+b") as file:
        file.seek(8192 + 4000)
        [byte] = file.read(1)
        file.seek(8192 + 4000)
        file.write(bytes([byte ^ 1]))
    place.primary.start()
    yield away


@contextmanager
def _open(place: Place) -> Iterator[None]:
    """A transaction is left open, with a snapshot that keeps all dead rows."""
    with connect(place.database, autocommit=False) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT count(*) FROM tasks")
        yield
        connection.rollback()


@contextmanager
def _archiving_fails(place: Place) -> Iterator[None]:
    place.set(archive_command="test ! -f %p")
    place.run("SELECT pg_logical_emit_message(true, 'test', 'x')", "SELECT pg_switch_wal()")
    failed = "SELECT failed_count > 0 FROM pg_stat_archiver"
    eventually(lambda: place.run(failed) == [(True,)], message="archiving fails")
    yield
    place.set(archive_command="test -f %p")
    well = "SELECT last_archived_time > last_failed_time FROM pg_stat_archiver"
    # It tries again after a second, or when there is another file.
    place.run("SELECT pg_logical_emit_message(true, 'test', 'x')", "SELECT pg_switch_wal()")
    eventually(lambda: place.run(well) == [(True,)], message="archiving works")


@contextmanager
def _behind(place: Place) -> Iterator[None]:
    """The standby does not replay what it is given."""
    replica = Database(place.standby.dsn("postgres"), SCHEMA)
    with connect(replica) as connection:
        connection.execute("SELECT pg_wal_replay_pause()")
        place.run("SELECT pg_logical_emit_message(false, 'test', repeat('x', 12000000))")
        yield
        connection.execute("SELECT pg_wal_replay_resume()")


@contextmanager
def _restart_pends(place: Place) -> Iterator[None]:
    pending = "SELECT count(*) > 0 FROM pg_settings WHERE pending_restart"
    place.set(max_wal_senders="11")
    eventually(lambda: place.run(pending) == [(True,)])
    yield
    place.set(max_wal_senders="10")
    eventually(lambda: place.run(pending) == [(False,)])


@contextmanager
def _slot(place: Place) -> Iterator[None]:
    place.run("SELECT pg_create_physical_replication_slot('left_behind')")
    yield
    place.run("SELECT pg_drop_replication_slot('left_behind')")


@contextmanager
def _dead_rows(place: Place) -> Iterator[None]:
    place.run(
        "CREATE TABLE worn WITH (autovacuum_enabled = off)"
        " AS SELECT n FROM generate_series(1, 130000) AS n",
        "DELETE FROM worn WHERE n > 10000",
    )
    yield
    place.run("VACUUM worn")


@contextmanager
def _trouble_of_agents(place: Place) -> Iterator[None]:
    with connect(place.database) as connection:
        connection.execute(_TROUBLE.encode())
        connection.execute(EXECUTIONS.encode(), (["failed"] * 12 + ["lost"],))
    yield
    place.run(_OVER)


@contextmanager
def _busy(place: Place) -> Iterator[None]:
    """Deadlocks, spills, checkpoints, damaged pages and old ids: what only counts up."""
    _deadlock(place.database, 6)
    with connect(place.database) as connection:
        connection.execute(b"SET work_mem = '64kB'")
        connection.execute(_SPILL.encode())
    with suppress(ServerError):
        place.run("SELECT count(*) FROM broken")
    place.run(_AGE, *["CHECKPOINT"] * 12)
    yield
    # No vacuum gets over its page, and the old ids would stay.
    place.run("DROP TABLE broken")


def _deadlock(database: Database, times: int) -> None:
    """Two transactions each want what the other has."""
    with (
        connect(database, autocommit=False) as one,
        connect(database, autocommit=False) as other,
    ):
        for _ in range(times):
            _lock(one, 1)
            _lock(other, 2)
            waiting = threading.Thread(target=_lock, args=(one, 2))
            waiting.start()
            _lock(other, 1)
            waiting.join()
            one.rollback()
            other.rollback()


def _lock(connection: Connection[tuple[object, ...]], number: int) -> None:
    with suppress(ServerError):
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (number,))


@contextmanager
def crowd(place: Place) -> Iterator[None]:
    """Of 30 connections 3 are reserved."""
    with ExitStack() as opened:
        for _ in range(26):
            opened.enter_context(connect(place.database, "greedy"))
        yield


@contextmanager
def hidden(place: Place) -> Iterator[str]:
    """A role that may see no sessions but its own."""
    role = f"watcher_{secrets.token_hex(4)}"
    place.run(f"CREATE ROLE {role} LOGIN PASSWORD 'w'")
    with connect(place.database):
        yield make_conninfo(place.database.dsn, user=role, password="w")
    place.run(f"DROP ROLE {role}")


@contextmanager
def uncollected(place: Place) -> Iterator[None]:
    place.run("ALTER TABLE schedules RENAME TO elsewhere")
    yield
    place.run("ALTER TABLE elsewhere RENAME TO schedules")


@contextmanager
def standby_gone(place: Place) -> Iterator[None]:
    place.standby.stop()
    yield
    place.standby.start()


TOGETHER: tuple[Callable[[Place], AbstractContextManager[object]], ...] = (
    _open,
    _archiving_fails,
    _behind,
    _restart_pends,
    _slot,
    _dead_rows,
    _trouble_of_agents,
    _busy,
)
