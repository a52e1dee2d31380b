"""A private PostgreSQL to throw away: where a backup is restored to be looked at.

It has a Unix socket only, in a folder that nobody else may enter, and nothing of it has to
survive a crash, so it does not wait for the disk. It works at a low priority, so that the
servers beside it hardly notice. Its folder is locked for as long as its maker lives; a
folder that nobody holds was left by a process that was killed, and the next one stops its
server and removes it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Self

from agentpg.db import unaffected
from agentpg.desk.backup.held import hold, make_held
from agentpg.desk.backup.programs import Programs
from agentpg.desk.backup.proof.blame import is_no_room
from agentpg.embedded.account import Account, account_for_making, choose_account
from agentpg.embedded.binaries import Binaries, binaries_for
from agentpg.embedded.postmaster import (
    clear_remains,
    postmaster_pid,
    stop_postmaster,
    wait_until_ready,
)
from agentpg.errors import (
    FileNotWritten,
    ScratchDiskFull,
    ScratchNotStarted,
    ScratchTooSmall,
    ToolFailed,
)

# What a server needs; in this order behind a name and a major version for `find_programs`.
SERVER = ("postgres", "initdb")

# A name that no role of a source has, so that all of its roles can be made beside it.
SUPERUSER = "agentpg_scratch"
DATABASE = "template1"

_MIB = 1024**2
_WAL_BYTES = 1024 * _MIB

# An empty cluster and its first WAL.
_EMPTY_BYTES = 64 * _MIB

# What a Unix socket's path may have, with the longest name that PostgreSQL puts into it.
_SOCKET_PATH_BYTES = 107 - len("/.s.PGSQL.65535.lock")

# A copy of a cluster may have to read its WAL first.
_START_PATIENCE = timedelta(minutes=30)
_STOP_PATIENCE = timedelta(minutes=2)
_REASON_LINES = 4

_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "50",
    "max_wal_size": f"{_WAL_BYTES // _MIB}MB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # A subscription of the source would take changes that are not for a copy of it.
    "max_logical_replication_workers": "0",
    "archive_mode": "off",
    "autovacuum": "off",
    "shared_buffers": "128MB",
    "maintenance_work_mem": "128MB",
    "shared_preload_libraries": "",
    "jit": "off",
    "ssl": "off",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_line_prefix": "",
    "lc_messages": "C",
}
_HBA = "local all all trust\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScratchOptions:
    """What a scratch server is for.

    `content_bytes` is how much it will hold, for which there must be room. `superuser` is that
    of the cluster; another than the usual one only where its data folder came with a backup.
    `gently` gives it a low priority for processor and disk. `settings` come on top of ours.
    """

    content_bytes: int = 0
    superuser: str = SUPERUSER
    gently: bool = True
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def needed_bytes(self) -> int:
        """The room that it takes at most: what it holds, and as much WAL as it keeps."""
        return self.content_bytes + min(self.content_bytes, _WAL_BYTES) + _EMPTY_BYTES


class ScratchServer:
    """A context: a folder of its own below `parent`, and a server in it once it is started.

    `programs` have the server's own, those of `SERVER`. Entering removes what killed runs left
    below `parent`. Raises ScratchTooSmall and FileNotWritten.
    """

    def __init__(
        self, programs: Programs, parent: Path, options: ScratchOptions | None = None
    ) -> None:
        self._programs = programs
        self._parent = parent.absolute()
        self._options = options or ScratchOptions()

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        held = scratch_folder(self._parent, self._options.needed_bytes)
        self.folder = self._stack.enter_context(held)
        self.account = choose_account(self.data)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def data(self) -> Path:
        """The data folder: `start` makes it, unless a backup was unpacked there."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.folder / "server.log"

    def start(self) -> None:
        """Make a cluster where there is none, and start it. Raises ScratchNotStarted."""
        binaries = Binaries(self._programs.folder, self._programs.version)
        runnable = binaries_for(self.account, binaries)
        with _said(self.folder):
            if not self.data.exists():
                self._make_cluster(runnable)
            self._configure()
            self._launch(runnable)

    def dsn(self, database: str = DATABASE, role: str = "") -> str:
        """A connection string for one of its databases, as its superuser or another role."""
        return unaffected(
            host=str(_socket_folder(self.folder, self.account)),
            port=5432,
            user=role or self._options.superuser,
            dbname=database,
        )

    @contextmanager
    def restoring(self) -> Iterator[None]:
        """Raise ScratchDiskFull where what a program meets is that there is no room left."""
        try:
            yield
        except ToolFailed as error:
            # A server without room for its WAL ends, and its clients only see that it has.
            said = [str(error), *self._said().splitlines()]
            full = [line.strip() for line in said if is_no_room(line)]
            if full:
                raise ScratchDiskFull(full[-1], folder=self._parent) from error
            raise

    def _said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def _make_cluster(self, binaries: Binaries) -> None:
        maker = account_for_making(self.account)
        self.data.mkdir(mode=0o700)
        maker.own(self.data)
        command: list[str | Path] = [*self._gently(), binaries.tool("initdb"), "--auth=trust"]
        command += [f"--username={self._options.superuser}", "--encoding=UTF8", "--locale=C"]
        command += ["--no-sync", "--no-instructions", "--data-checksums"]
        with maker.reach(self.data) as (place, fds):
            done = maker.run([*command, f"--pgdata={place}"], fds=fds)
        if done.returncode != 0:
            raise ScratchNotStarted(_last_lines(done.stderr), folder=self.folder)
        if maker != self.account:
            self.account.own_tree(self.data)

    def _configure(self) -> None:
        socket = _socket_folder(self.folder, self.account)
        make_own_folder(socket, self.account)
        settings = {**_SETTINGS, **self._options.settings}
        settings["unix_socket_directories"] = '"' + str(socket).replace('"', '""') + '"'
        lines = [f"{name} = '{_quoted(value)}'\n" for name, value in settings.items()]
        texts = {"postgresql.conf": "".join(lines), "pg_hba.conf": _HBA, "pg_ident.conf": ""}
        for name, text in texts.items():
            (self.folder / name).write_text(text, encoding="utf-8")
            self.account.own(self.folder / name)

    def _launch(self, binaries: Binaries) -> None:
        errors = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            with self.account.reach(self.folder) as (place, fds):
                command: list[str | Path] = [*self._gently(), binaries.tool("postgres")]
                command += [f"--config-file={place}/postgresql.conf"]
                command += [f"--hba-file={place}/pg_hba.conf"]
                command += [f"--ident-file={place}/pg_ident.conf", "-D", f"{place}/data"]
                pid = self.account.detach(command, errors, fds)
        finally:
            os.close(errors)
        if not wait_until_ready(pid, self.data, _START_PATIENCE):
            raise ScratchNotStarted(_last_lines(self._said()), folder=self.folder)

    def _gently(self) -> list[str | Path]:
        return gently() if self._options.gently else []


@contextmanager
def scratch_folder(parent: Path, needed_bytes: int = 0) -> Iterator[Path]:
    """A folder that is held while this lasts, and removed with what runs in it.

    What killed runs left below `parent` is removed first. Raises ScratchTooSmall and
    FileNotWritten.
    """
    parent = parent.absolute()
    with ExitStack() as held:
        with _said(parent):
            parent.mkdir(mode=0o711, parents=True, exist_ok=True)
            remove_left_servers(parent)
            _require_room(parent, needed_bytes)
            folder = held.enter_context(make_held(parent, "scratch-"))
            held.callback(remove_server, folder)
            # The server's account passes through; what it may read is its own inside.
            folder.chmod(0o711)
        yield folder


def gently() -> list[str | Path]:
    """What runs the program behind it at a low priority for processor and disk."""
    found = shutil.which("ionice")
    return ["nice", "-n", "10", *([found, "-c", "2", "-n", "7"] if found else [])]


def remove_left_servers(parent: Path) -> list[str]:
    """Stop and remove the scratch servers that no process holds; the names of their folders."""
    left = []
    for folder in sorted(path for path in parent.iterdir() if path.is_dir()):
        with suppress(OSError), hold(folder):
            remove_server(folder)
            left.append(folder.name)
    return left


def remove_server(folder: Path) -> None:
    """Stop the server of one folder, if it runs, and remove all of it."""
    data = folder / "data"
    pid = postmaster_pid(data)
    if pid is not None:
        stop_postmaster(pid, "immediate", _STOP_PATIENCE)
    if data.is_dir():
        clear_remains(data)
        shutil.rmtree(_socket_folder(folder, choose_account(data)), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _require_room(parent: Path, needed_bytes: int) -> None:
    free = shutil.disk_usage(parent).free
    if free < needed_bytes:
        raise ScratchTooSmall(folder=parent, free=free, needed=needed_bytes)


def _socket_folder(folder: Path, account: Account) -> Path:
    """Where the socket is: inside, unless its path is too long or closed to the account."""
    inside = folder / "run"
    if len(os.fsencode(inside)) <= _SOCKET_PATH_BYTES and account.can_enter(folder):
        return inside
    mark = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    # Only root can make folders in /run, so nobody can have made this one before.
    runtime = Path("/run" if account.switched else "/tmp")  # noqa: S108
    return runtime / f"agentpg-scratch-{account.uid}-{mark}"


def make_own_folder(folder: Path, account: Account) -> None:
    """Make a folder of the account's own, or take the one that it has.

    Raises FileExistsError where somebody else made it first: whoever can replace the socket in
    it gets all that is restored.
    """
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        found = folder.lstat()
        others_may = stat.S_IMODE(found.st_mode) & 0o077
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.uid or others_may:
            raise
    else:
        account.own(folder)


@contextmanager
def _said(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileNotWritten(error.strerror or str(error), path=error.filename or path) from error


def _last_lines(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(lines[-_REASON_LINES:]) or "-"


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")
