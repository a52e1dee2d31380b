"""An installation under test: submit to it, start workers on it, and ask its database."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from agentpg.db import Connection, Database, connect
from agentpg.desk.security.roles.names import Part
from agentpg.errors import DatabaseUnavailable
from agentpg.settings import Settings, load_settings
from agentpg.tasks.client import Client
from agentpg.tasks.handlers import App
from agentpg.tasks.model import Task
from agentpg.tasks.worker import Worker
from tests.servers import ROLES
from tests.waiting import eventually

REPOSITORY = Path(__file__).parents[2]

# Tests wait for what they expect at most so long.
PATIENCE = timedelta(seconds=60)

_DEFAULTS = {"lease": "30s", "poll_interval": "200ms", "shutdown_grace": "5s"}


class ThreadWorker:
    """A worker in a thread of the test's own process."""

    def __init__(self, app: App, database: Database, settings: Settings, concurrency: int) -> None:
        self.worker = Worker(app, database, settings, concurrency=concurrency)
        self.failure: BaseException | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def id(self) -> UUID:
        """The id under which it is registered now."""
        return self.worker.id

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._thread.is_alive()

    def tell(self, *, now: bool = False) -> None:
        """Tell it to stop, and do not wait."""
        if self.alive:
            self._loop.call_soon_threadsafe(self.worker.stop_now if now else self.worker.stop)

    def stop(self, *, now: bool = False) -> None:
        """Tell it to stop and wait; fails with what it failed with."""
        self.tell(now=now)
        self._thread.join(PATIENCE.total_seconds())
        assert not self.alive, "the worker does not stop"
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self.worker.run())
        except BaseException as error:
            self.failure = error


class ProcessWorker:
    """A worker in a process of its own, which may be killed, stopped and resumed."""

    def __init__(
        self, app: str, database: Database, log: Path, settings: Mapping[str, str]
    ) -> None:
        variables = {f"AGENTPG_{name.upper()}": value for name, value in settings.items()}
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.apps.serve", app],
                cwd=REPOSITORY,
                env={
                    **os.environ,
                    **variables,
                    "AGENTPG_DSN": database.dsn,
                    "AGENTPG_SCHEMA": database.schema,
                },
                stdout=output,
                stderr=output,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self.alive:
            self._process.send_signal(number)

    def kill(self) -> None:
        """Kill it as the system would, and wait."""
        self.send(signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """Wait for its end; the exit code."""
        return self._process.wait(PATIENCE.total_seconds())

    def stop(self) -> int:
        """Tell it to stop, and wait; the exit code."""
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        return self.wait()


class Reading:
    """A session for each thread that reads; who waits asks fifty times a second, and a new
    session costs far more than the answer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sessions: dict[int, Connection[Any]] = {}

    def rows(self, query: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Rows of a query, also where the server was restarted since the last one."""
        session = self._session()
        try:
            return session.execute(query.encode(), parameters or None).fetchall()
        except psycopg.OperationalError:
            if not session.closed:
                raise
        return self._session().execute(query.encode(), parameters or None).fetchall()

    def close(self) -> None:
        """End the sessions."""
        for session in self._sessions.values():
            session.close()

    def _session(self) -> Connection[Any]:
        me = threading.get_ident()
        if me not in self._sessions or self._sessions[me].closed:
            self._sessions[me] = session_on(self._database)
        return self._sessions[me]


def session_on(database: Database) -> Connection[Any]:
    """A session with the schema in the path."""
    made = connect(database)
    made.execute(f"SET search_path = {database.schema}".encode())
    return made


class Engine:
    """One installation under test. The tests look and meddle as the owner. Where it is `parted`,
    its workers are agents and its client is an operator's; else these are the owner too."""

    def __init__(self, database: Database, folder: Path, *, parted: bool = False) -> None:
        self.database = database
        self._is_parted = parted
        self.agent = self.as_part("agent")
        self.operator = self.as_part("web")
        self.client = Client(self.operator, settings=load_settings(pool_size=4))
        self._reading = Reading(database)
        self._folder = folder
        self._workers: list[ThreadWorker | ProcessWorker] = []

    def as_part(self, part: Part) -> Database:
        """The database as the role of a part; without these as the owner."""
        return self.database.as_role(ROLES.login(part, 1)) if self._is_parted else self.database

    def work(self, app: App, *, concurrency: int = 10, **settings: str) -> ThreadWorker:
        """Start a worker in this process."""
        loaded = load_settings(**{**_DEFAULTS, **settings})
        worker = ThreadWorker(app, self.agent, loaded, concurrency)
        self._workers.append(worker)
        return worker

    def process(self, app: str = "tests.apps.plain", **settings: str) -> ProcessWorker:
        """Start a worker process, and wait until it is registered."""
        log = self._folder / f"worker-{len(self._workers)}.log"
        worker = ProcessWorker(app, self.agent, log, {**_DEFAULTS, "lease": "1s", **settings})
        self._workers.append(worker)
        eventually(lambda: self.registered(worker), message=f"{log} tells why")
        return worker

    def registered(self, worker: ProcessWorker) -> list[tuple[Any, ...]]:
        """The ids under which a worker process lives."""
        return self.ask("SELECT id FROM workers WHERE pid = %s AND ended_at IS NULL", worker.pid)

    def ask(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of a query, or none for another statement; with the schema in the path."""
        if query.lstrip().startswith("SELECT"):
            return self._reading.rows(query, parameters)
        with session_on(self.database) as connection:
            cursor = connection.execute(query.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def run(self, agent: str, task_type: str, payload: Any = None, **options: Any) -> Task:
        """Submit a task and wait for its end, whatever that is."""
        return self.ended(self.client.submit(agent, task_type, payload, **options))

    def ended(self, task_id: UUID) -> Task:
        """The task, when it has ended, however often the database is away meanwhile."""
        while True:
            with contextlib.suppress(DatabaseUnavailable):
                return self.client.wait(task_id, timeout=PATIENCE, check=False)

    def status(self, task_id: UUID) -> str | None:
        """The state of a task."""
        return self.client.get(task_id).status

    def outcomes(self, task_id: UUID) -> list[str | None]:
        """How the executions of a task ended, in order; None for an open one."""
        return [execution.outcome for execution in self.client.executions(task_id)]

    def until_running(self, task_id: UUID) -> None:
        """Wait until the task is running."""
        eventually(lambda: self.status(task_id) == "running")

    def until_blocked(self) -> None:
        """Wait until some statement waits for a lock in this database."""
        eventually(
            lambda: self.ask(
                "SELECT pid FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
        )

    def until_all_ended(self, timeout: float = 60.0) -> None:
        """Wait until no task is left to do; fails with what is left."""
        left = (
            "SELECT status, attempt, suspect, worker, run_at > now() AS delayed, count(*)"
            " FROM tasks WHERE status IN ('pending', 'running', 'waiting') GROUP BY 1, 2, 3, 4, 5"
        )
        try:
            eventually(lambda: not self.ask(left), timeout)
        except AssertionError:
            raise AssertionError(f"tasks are left after {timeout:g} s: {self.ask(left)}") from None

    def close(self) -> None:
        """Stop all workers."""
        for worker in self._workers:
            if worker.alive:
                worker.stop()
        self._reading.close()
        self.client.close()
