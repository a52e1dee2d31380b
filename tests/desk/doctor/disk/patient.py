"""A server on a small disk, and some of the ways to fill that."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from agentpg.db import Database, connect
from agentpg.desk.doctor.disk.facts import Facts
from agentpg.desk.doctor.disk.findings import find
from agentpg.desk.doctor.disk.fixing import Fixer, Outcome, agreed_on
from agentpg.desk.doctor.disk.looking import look_at_disks
from agentpg.desk.doctor.disk.planning import named_slot, plan
from agentpg.desk.doctor.disk.policy import policy_of
from agentpg.desk.doctor.disk.steps import Plan, Step
from agentpg.desk.finding import Finding, at_or_above
from agentpg.embedded import EmbeddedServer
from agentpg.embedded.account import choose_account
from agentpg.settings import Settings, load_settings
from tests.servers import PG_BIN
from tests.small_disk import fill_up
from tests.waiting import eventually

_MIB = 1024**2
DISK = 320 * _MIB
OPTIONS = {
    "max_wal_size": "48MB",
    "min_wal_size": "32MB",
    "archive_mode": "on",
    "archive_command": "true",
    "work_mem": "64kB",
    "shared_buffers": "16MB",
    "autovacuum": "off",
    "log_filename": "postgresql-%Y-%m-%d.log",
}


class Patient:
    """A server whose home is on a small disk."""

    def __init__(self, server: EmbeddedServer, disk: Path) -> None:
        self.server = server
        self.disk = disk
        self.home = disk / "home"
        self.said: dict[str, Any] = {"home": str(self.home), "pg_bin": PG_BIN}

    @property
    def database(self) -> Database:
        """As its superuser."""
        return Database(self.server.dsn("postgres"))

    def settings(self, **said: Any) -> Settings:
        """The settings as they are now, or with these."""
        return load_settings(**{**self.said, **said})

    def run(self, *statements: str) -> None:
        """Run statements, each by itself."""
        with connect(self.database) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """What a query says."""
        with connect(self.database) as connection:
            return connection.execute(query.encode()).fetchall()

    def write_wal(self, segments: int) -> None:
        """Fill so many files of WAL, or rather: begin so many."""
        for _ in range(segments):
            self.run("SELECT pg_logical_emit_message(true, 't', 'x')", "SELECT pg_switch_wal()")

    def look(self) -> tuple[Facts, tuple[Finding, ...], Plan]:
        """What is looked at, found and planned."""
        policy = policy_of(self.settings())
        facts = look_at_disks(self.database, self.settings(), policy)
        findings = find(facts, policy)
        return facts, findings, plan(facts, findings, policy)

    def first(self) -> Finding:
        """What is said first."""
        return at_or_above(self.look()[1], "warning")[0]

    def step(self, kind: str) -> Step:
        """A step of the plan as it is now."""
        [step] = [one for one in self.look()[2].steps if one.kind == kind]
        return step

    def fix(self, step: Step) -> Outcome:
        """Do one step."""
        return Fixer(self.database, self.settings(), agreed_on(self.look()[0])).do(step)

    def drop(self, slot: str) -> Outcome:
        """Drop a slot by name."""
        return self.fix(named_slot(self.look()[0], slot))

    def used(self) -> float:
        """The share of the disk that is taken."""
        volume = self.look()[0].volume("data")
        assert volume is not None
        return volume.used

    @contextmanager
    def crowded(self, leave: int = 24 * _MIB) -> Iterator[None]:
        """Let something else take what is left but for so many bytes."""
        fill_up(self.disk, leave)
        try:
            yield
        finally:
            (self.disk / "ballast").unlink()


@contextmanager
def spilling(patient: Patient) -> Iterator[threading.Event]:
    """A query that has sorted on the disk, and goes on."""
    ended = threading.Event()
    query = """
        SELECT pg_sleep(600) FROM (
            SELECT repeat(md5(n::text), 8) AS text FROM generate_series(1, 200000) AS n
            ORDER BY 1 OFFSET 0
        ) AS sorted
    """

    def run() -> None:
        with (
            suppress(psycopg.Error),
            psycopg.connect(
                patient.server.dsn("postgres"), application_name="a greedy report"
            ) as connection,
        ):
            connection.execute(query)
        ended.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    eventually(lambda: _sleeps(patient), message="the sort is on the disk")
    try:
        yield ended
    finally:
        if not ended.is_set():
            patient.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'a greedy report'"
            )
        thread.join(20)


def _sleeps(patient: Patient) -> bool:
    query = (
        "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' "
        "AND application_name = 'a greedy report'"
    )
    return patient.ask(query) != []


def write_log(patient: Patient, path: Path, megabytes: int, age: timedelta) -> None:
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, megabytes * _MIB)
    choose_account(patient.server.status().data).own(path)
    then = (datetime.now(UTC) - age).timestamp()
    os.utime(path, (then, then))
