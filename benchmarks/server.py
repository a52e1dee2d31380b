"""The private PostgreSQL that all are measured on, and what it says of itself."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agentpg.db import Connection, Database, compose_script, connect
from agentpg.embedded import EmbeddedServer
from agentpg.embedded.folder import Folder
from benchmarks.processes import process_cpu_seconds

_GIB = 1024**3
_FRESH = "bench"


def options() -> dict[str, str]:
    """Full durability and PostgreSQL's defaults, but for memory and the size of the log."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    buffers = "2GB" if memory >= 8 * _GIB else f"{memory // 4 // 1024**2}MB"
    return {"shared_buffers": buffers, "max_wal_size": "8GB"}


@dataclass(frozen=True, slots=True)
class Usage:
    """What the server has used so far."""

    cpu_seconds: float
    commits: int


class Watch:
    """The harness's own eye on a database; it discounts what it does there itself."""

    def __init__(self, database: str, connection: Connection, server_pid: int) -> None:
        self.database = database
        self._connection = connection
        self._server_pid = server_pid
        self._own = 0

    def ask(self, query: str) -> object:
        """The first value that a query gives."""
        self._own += 1
        row = self._connection.execute(query).fetchone()
        assert row is not None
        return row[0]

    def run(self, statement: str) -> None:
        """Execute a statement."""
        self._own += 1
        self._connection.execute(statement)

    def usage(self) -> Usage:
        """Processor time of the server's processes, and commits that were not ours.

        A session reports its commits within a second, and at once when it ends.
        """
        self.run("SELECT pg_stat_force_next_flush()")
        self.run("SELECT pg_stat_clear_snapshot()")
        commits = self.ask(
            "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        )
        assert isinstance(commits, int)
        return Usage(self.cpu_seconds(), commits - self._own)

    def cpu_seconds(self) -> float:
        """Processor time of all the server's processes so far."""
        pids = [self._server_pid, *_children(self._server_pid)]
        alive = 0.0
        for pid in pids:
            with contextlib.suppress(OSError):
                alive += process_cpu_seconds(pid)
        return alive + _ended_children_cpu_seconds(self._server_pid)


class BenchServer:
    """One server for the whole run; each measurement gets a fresh database.

    `prepared` are the databases that were filled once and last as long as the server.
    """

    def __init__(self, home: Path, pg_bin: str) -> None:
        self.home = home
        self.prepared: set[str] = set()
        self._server = EmbeddedServer(home, pg_bin, options=options())
        self._pid = self._server.start().pid or 0

    @property
    def version(self) -> str:
        """The server's version."""
        return self._server.status().version

    def tool(self, name: str) -> Path:
        """One of PostgreSQL's programs."""
        return self._server.tool(name)

    @property
    def log(self) -> Path:
        """The log file that the server writes to."""
        return Folder(self.home).log()

    def environment(self, database: str) -> dict[str, str]:
        """A database in libpq's variables."""
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self._server.status().port),
            "PGUSER": "admin",
            "PGDATABASE": database,
            "PGPASSFILE": str(self.home / "pgpass"),
        }

    def dsn(self, user: str, database: str) -> str:
        """How a user connects to a database."""
        return self._server.dsn(user, database)

    @contextlib.contextmanager
    def session(self, database: str) -> Iterator[Connection]:
        """A superuser's session."""
        with connect(Database(self.dsn("postgres", database))) as connection:
            yield connection

    @contextlib.contextmanager
    def fresh_database(self) -> Iterator[Watch]:
        """A new database and an eye on it; dropped afterwards."""
        with self.session("postgres") as postgres:
            _drop(postgres, _FRESH)
            _create(postgres, _FRESH)
            try:
                with self.watch(_FRESH) as watch:
                    yield watch
            finally:
                _drop(postgres, _FRESH)

    def create_database(self, name: str) -> None:
        """A new database that lasts as long as the server."""
        with self.session("postgres") as postgres:
            _drop(postgres, name)
            _create(postgres, name)

    @contextlib.contextmanager
    def watch(self, database: str) -> Iterator[Watch]:
        """An eye on a database."""
        with self.session(database) as connection:
            yield Watch(database, connection, self._pid)

    def changed_settings(self) -> dict[str, str]:
        """Settings that are not PostgreSQL's defaults and can matter for speed."""
        names = ("shared_buffers", "max_wal_size", "fsync", "synchronous_commit", "wal_level")
        with self.session("postgres") as connection:
            return {name: _setting(connection, name) for name in names}

    def close(self) -> None:
        """Stop the server."""
        self._server.stop("fast")


@contextlib.contextmanager
def bench_server(home: Path | None, pg_bin: str) -> Iterator[BenchServer]:
    """A server in `home`, or in a folder of its own that is removed afterwards."""
    place = home or Path(tempfile.mkdtemp(prefix="agentpg-bench-"))
    try:
        server = BenchServer(place, pg_bin)
        try:
            yield server
        finally:
            server.close()
    finally:
        if home is None:
            shutil.rmtree(place, ignore_errors=True)


def _create(connection: Connection, name: str) -> None:
    connection.execute(compose_script("CREATE DATABASE {name} OWNER admin", name=name))


def _drop(connection: Connection, name: str) -> None:
    connection.execute(compose_script("DROP DATABASE IF EXISTS {name} WITH (FORCE)", name=name))


def _setting(connection: Connection, name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    return str(row[0]) if row else ""


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in text.split()]


def _ended_children_cpu_seconds(pid: int) -> float:
    """Processor time of children that have ended, as their parent has counted it."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    user, system = stat.rpartition(")")[2].split()[13:15]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
