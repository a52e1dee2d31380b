"""Real work on a private server, with a worker killed in the middle of it.

Everything happens in one folder, which is kept; nothing is left running.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from agentpg.agents.standin import StandIn
from agentpg.db import Connection, Database, Statements, connect
from agentpg.embedded import EmbeddedServer
from agentpg.errors import AgentpgError
from agentpg.language import N_
from agentpg.schema import bring_up_to_date
from agentpg.settings import Settings, environment_with
from agentpg.tasks.client import Client

# Short, so that the rescue can be watched; in earnest it is 30 s.
_LEASE = timedelta(seconds=3)

# The stand-in takes so long for an answer, so that there is a middle to kill a worker in.
_ANSWER_SECONDS = 0.4

_LOOK_SECONDS = 0.1
_WORKERS = 2


class Audience(Protocol):
    """Whom the demonstration tells what happens."""

    def tell(self, text: str, **values: object) -> None:
        """Something happened; `text` is to be translated and filled with the values."""

    def watch(self, done: int, total: int) -> None:
        """So many of the tasks have ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is there to look at afterwards."""

    home: Path
    database: Database
    report: dict[str, Any]
    schema_pages: str
    rescued: int


class DemonstrationFailed(AgentpgError):
    """Something that the demonstration was to show did not happen."""

    sentence = N_("the demonstration did not go as it should: {reason}")
    hint = N_("The folder {home} is kept; the workers' log is in it.")


class Demonstration:
    """Runs the built-in agents on real documents with two workers, and kills one of them."""

    def __init__(self, settings: Settings, home: Path, audience: Audience) -> None:
        self._settings = settings
        self._home = home
        self._tell = audience.tell
        self._watch = audience.watch
        self._server = EmbeddedServer(home, settings.pg_bin, schema=settings.schema_name)
        self._sql = Statements("demonstration", settings.schema_name)
        self._workers: list[subprocess.Popen[bytes]] = []
        self._since = datetime.now(UTC)

    @contextmanager
    def running(self) -> Iterator[Shown]:
        """Run it; everything is stopped when the block is left."""
        with ExitStack() as at_the_end:
            database = self._start_server(at_the_end)
            endpoint, key = self._model(at_the_end)
            environment = self._environment(database, endpoint, key)
            at_the_end.callback(self._stop_workers)
            for _ in range(_WORKERS):
                self._start_worker(environment)
            connection = at_the_end.enter_context(connect(database, "agentpg demo"))
            client = at_the_end.enter_context(Client(database, settings=self._settings))
            yield self._show(client, connection, database)

    def _show(self, client: Client, connection: Connection[Any], database: Database) -> Shown:
        pages = self._write_schema_pages(client)
        self._submit_documents(client, Path(pages["folder"]))
        rescued = self._kill_in_the_middle(connection)
        self._finish(connection)
        self._tell(N_("{tasks} tasks of the dead worker were done by the other one"), tasks=rescued)
        report = client.wait(client.submit("ReportAgent", "weekly_report", {"days": 7}))
        return Shown(
            home=self._home,
            database=database,
            report=report.result,
            schema_pages=pages["folder"],
            rescued=rescued,
        )

    # Starting and stopping

    def _start_server(self, at_the_end: ExitStack) -> Database:
        was_running = self._server.status().running
        status = self._server.start()
        if not was_running:
            at_the_end.callback(self._server.stop)
        version = status.version.split()[0]
        self._tell(
            N_("PostgreSQL {version} runs on port {port}"), version=version, port=status.port
        )
        database = Database(self._server.dsn(), self._settings.schema_name)
        bring_up_to_date(database)
        self._tell(N_("the schema {schema} is installed"), schema=database.schema)
        return database

    def _model(self, at_the_end: ExitStack) -> tuple[str, str]:
        if self._settings.openai_base_url:
            self._tell(N_("the model is at {url}"), url=self._settings.openai_base_url)
            return self._settings.openai_base_url, self._settings.openai_api_key
        standin = at_the_end.enter_context(StandIn(latency=timedelta(seconds=_ANSWER_SECONDS)))
        self._tell(
            N_("no OPENAI_BASE_URL is set, so a stand-in for a model answers, at {url}"),
            url=standin.url,
        )
        return standin.url, "stand-in"

    def _environment(self, database: Database, endpoint: str, key: str) -> dict[str, str]:
        return environment_with(
            dsn=database.dsn,
            dsn_admin=database.dsn,
            dsn_monitor=database.dsn,
            schema_name=database.schema,
            home=str(self._home),
            lease=f"{_LEASE.total_seconds():g}s",
            documents=str(self._settings.documents.absolute()),
            openai_base_url=endpoint,
            openai_api_key=key,
        )

    def _start_worker(self, environment: dict[str, str]) -> None:
        with (self._home / "workers.log").open("ab") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "agentpg", "worker", "--built-in", "--concurrency", "4"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._workers.append(worker)
        self._tell(N_("worker {pid} started"), pid=worker.pid)

    def _stop_workers(self) -> None:
        for worker in self._workers:
            if worker.poll() is None:
                worker.terminate()
        for worker in self._workers:
            try:
                worker.wait(timeout=30)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()

    # What is shown

    def _write_schema_pages(self, client: Client) -> dict[str, Any]:
        task = client.submit("SchemaAgent", "document_schema")
        result: dict[str, Any] = client.wait(task, timeout=timedelta(minutes=1)).result
        self._tell(
            N_("SchemaAgent wrote {pages} pages on the schema into {folder}"),
            pages=len(result["pages"]),
            folder=_short(result["folder"]),
        )
        return result

    def _submit_documents(self, client: Client, otherwise: Path) -> None:
        """Have the documents summarised; where there are none, the schema's own pages."""
        folder = self._settings.documents.absolute()
        if not folder.is_dir():
            folder = otherwise
        task = client.submit("DocumentAgent", "summarise_folder", {"folder": str(folder)})
        result = client.wait(task, timeout=timedelta(minutes=1)).result
        self._tell(
            N_("DocumentAgent reads {documents} documents of {folder}"),
            documents=len(result["tasks"]),
            folder=_short(folder),
        )

    def _kill_in_the_middle(self, connection: Connection[Any]) -> int:
        """Kill the busiest worker once a quarter is done; how many tasks it had."""
        self._until(connection, lambda done, total: done >= total / 4)
        worker, pid, running = self._busiest(connection)
        os.kill(pid, signal.SIGKILL)
        self._tell(
            N_("worker {pid} is killed with SIGKILL in the middle of {tasks} tasks"),
            pid=pid,
            tasks=running,
        )
        killed_at = time.monotonic()
        while not (lost := self._lost_with(connection, worker)):
            self._look(connection)
            if time.monotonic() - killed_at > 10 * _LEASE.total_seconds():
                raise self._failed("nobody rescued the tasks of the dead worker")
        self._tell(
            N_("after {seconds} s the other worker has taken back {tasks} tasks"),
            seconds=f"{time.monotonic() - killed_at:.1f}",
            tasks=len(lost),
        )
        return len(lost)

    def _busiest(self, connection: Connection[Any]) -> tuple[UUID, int, int]:
        pids = [worker.pid for worker in self._workers]
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            row = connection.execute(self._sql["busiest_worker"], {"pids": pids}).fetchone()
            if row is not None:
                return row[0], row[1], row[2]
            time.sleep(_LOOK_SECONDS)
        raise self._failed("no worker runs anything")

    def _lost_with(self, connection: Connection[Any], worker: UUID) -> list[Any]:
        return connection.execute(self._sql["lost_with"], {"worker": worker}).fetchall()

    def _finish(self, connection: Connection[Any]) -> None:
        self._until(connection, lambda done, total: done == total)

    def _until(self, connection: Connection[Any], reached: Callable[[int, int], bool]) -> None:
        while not reached(*self._look(connection)):
            if all(worker.poll() is not None for worker in self._workers):
                raise self._failed("no worker lives any more")

    def _look(self, connection: Connection[Any]) -> tuple[int, int]:
        """How many tasks have ended, and how many there are."""
        rows = connection.execute(self._sql["progress"], {"since": self._since}).fetchall()
        total = sum(tasks for _, _, tasks in rows)
        done = sum(tasks for _, status, tasks in rows if status in ("completed", "failed"))
        self._watch(done, total)
        time.sleep(_LOOK_SECONDS)
        return done, total

    def _failed(self, reason: str) -> DemonstrationFailed:
        return DemonstrationFailed(reason, home=self._home)


def _short(folder: str | Path) -> str:
    """The last two names of a folder's path."""
    return "/".join(Path(folder).parts[-2:])
