"""One cluster in pgBackRest: where its backups lie, its configuration, and how it is run.

    pgbackrest/SYSTEM/repo/            what pgBackRest keeps: backups, and the archived WAL
    pgbackrest/SYSTEM/pgbackrest.conf  the configuration, which each call names

pgBackRest runs as the account that owns the server's data folder, and so does the server's
archive command; the folder belongs to that account. The configuration is ours alone: what
/etc/pgbackrest says is not read. Nothing secret is in it, nor in any argument; the password
of the database goes by the environment.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agentpg.db import Connection, Statements, class_row
from agentpg.desk.backup.leash import Leash
from agentpg.desk.backup.recovery.wal import (
    Segment,
    WalArchive,
    parse_history,
    segment_named,
)
from agentpg.desk.backup.storage.folder import repository_error
from agentpg.desk.backup.storage.repository import Repository, Stored
from agentpg.embedded.account import Account, choose_account
from agentpg.errors import (
    PgbackrestMissing,
    PgbackrestOutOfReach,
    PgbackrestTooOld,
    ServerInRecovery,
    ToolFailed,
)
from agentpg.language import N_
from agentpg.settings import environment_with

PROGRAM = "pgbackrest"
STANZA = "main"
_CONFIGURATION_FILE = "pgbackrest.conf"

# The newest server that releases before 2.46 know; later ones say for themselves.
_NEWEST_OF_OLD = 15
_KNOWS_NEWER_SINCE = (2, 46)

# Backups go when `agentpg backup prune` says so, and never by themselves. What fails on a local
# disk fails again: to try it once more takes 15 seconds, and hides what the system said.
_CONFIGURATION = """\
[global]
repo1-path={folder}/repo
repo1-bundle=y
repo1-retention-full=9999999
expire-auto=n
job-retry=0
compress-type=zst
start-fast=y
lock-path={folder}/lock
spool-path={folder}/spool
log-path={folder}/log
log-level-file=off

[{stanza}]
pg1-path={data}
pg1-port={port}
pg1-socket-path={socket}
pg1-user={user}
pg1-database={database}
"""

_ERROR_LINE = re.compile(r"ERROR: \[\d+\]: (.*)")

_NOT_LOCAL = N_("its repository has to be a folder, and {place} is none")
_ELSEWHERE = N_("the data folder {folder} is not on this machine, or not open to this account")
_NOT_OWNER = N_("the data folder {folder} belongs to another account, as which it has to run")
_NO_SOCKET = N_("the server has no socket, which is how it connects")
CLOSED = N_("the account that runs the server does not get to {folder}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The server as pgBackRest must know it."""

    data: str
    port: int
    socket_folder: str
    archive_mode: str
    archive_command: str
    archive_library: str | None
    segment_bytes: int
    superuser: str
    in_recovery: bool
    floors: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One backup that pgBackRest has: what `info` says of it.

    `needs` are the labels of those that it can't be restored without; `name` is ours of it,
    empty for one that somebody else made; `page_errors` says that pages failed their checksum.
    """

    label: str
    type: str
    name: str
    needs: tuple[str, ...]
    start_lsn: str
    stop_lsn: str
    start_wal: str
    stop_wal: str
    size_bytes: int
    stored_bytes: int
    page_errors: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stanza:
    """The folder of one cluster, and who runs pgBackRest for it."""

    folder: Path
    account: Account
    program: Path
    version: str
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def configuration(self) -> Path:
        """The file that each call names."""
        return self.folder / _CONFIGURATION_FILE

    @property
    def archive_command(self) -> str:
        """What the server has to call for each file of WAL."""
        return f"{self._command()} archive-push %p"

    def run(self, command: str, *arguments: str, look: Callable[[str], None] | None = None) -> None:
        """Run one command to its end; `look` is given its last lines. Raises ToolFailed."""
        words = self._words(command, "--log-level-console=off", *arguments)
        environment = {"PATH": environment_with().get("PATH", ""), **self.environment}
        with Leash(words, environment, account=self.account) as leash:
            try:
                leash.wait(None if look is None else lambda: look(leash.said))
            except ToolFailed as error:
                code, said = int(str(error.values["code"])), leash.said
                reason = _reason(said) or leash.reason(code)
                raise ToolFailed(reason, program=PROGRAM, code=code, said=said) from None

    def ask(self, command: str, *arguments: str) -> str:
        """What a command that only reads prints. Raises ToolFailed.

        The exit code tells that it ran, and not that all is well.
        """
        words = self._words(command, "--log-level-console=off", *arguments)
        answer = self.account.run(words)
        if answer.returncode:
            said = answer.stderr.strip()
            code = answer.returncode
            raise ToolFailed(_reason(said) or said, program=PROGRAM, code=code, said=said)
        return answer.stdout

    def kept(self) -> list[Kept]:
        """The backups that it has, the oldest first."""
        [stanza] = json.loads(self.ask("info", "--output=json"))
        return [_kept(said) for said in stanza["backup"]]

    def segments(self, segment_bytes: int) -> set[Segment]:
        """The WAL that it has."""
        return set(self.archived(segment_bytes))

    def archived(self, segment_bytes: int) -> dict[Segment, Stored]:
        """The WAL that it has, since when, and how large."""
        archive = self.folder / "repo" / "archive" / STANZA
        found: dict[Segment, Stored] = {}
        for path in archive.glob("*/*/*"):
            segment = segment_named(path.name.partition("-")[0], segment_bytes)
            if segment is not None:
                size, at = path.stat().st_size, _written_at(path)
                found[segment] = Stored(key=path.name, size_bytes=size, written_at=at)
        return found

    def histories(self) -> Iterator[Path]:
        """The histories of timelines that it has."""
        return (self.folder / "repo" / "archive" / STANZA).glob("*/*.history")

    def restore_command(self, data: Path) -> str:
        """What a server that recovers in this data folder has to call for each file of WAL."""
        return f'{self._command(f"--pg1-path={data}")} archive-get %f "%p"'

    def _command(self, *options: str) -> str:
        named = (f"--config={self.configuration}", f"--stanza={STANZA}")
        words = " ".join(shlex.quote(str(part)) for part in (self.program, *named, *options))
        return words.replace("%", "%%")

    def _words(self, command: str, *arguments: str) -> list[str | Path]:
        named = (f"--config={self.configuration}", f"--stanza={STANZA}")
        return [self.program, *named, *arguments, command]


def read_server(connection: Connection[Any]) -> Server:
    """Ask the server. Raises PermissionDenied where the role may not see its settings."""
    sql = Statements("pgbackrest", "")
    with connection.cursor(row_factory=class_row(Server)) as cursor:
        [server] = cursor.execute(sql["read_server"]).fetchall()
    return server


def make_stanza(
    connection: Connection[Any], repository: Repository, system: str, target: str
) -> tuple[Stanza, Server]:
    """The stanza of the server of this connection; its folder is made where it is missing.

    Raises PgbackrestMissing, PgbackrestTooOld, PgbackrestOutOfReach, and ServerInRecovery.
    """
    program, version = find_program()
    require_known(version, connection.info.server_version // 10000)
    server = read_server(connection)
    if server.in_recovery:
        raise ServerInRecovery(target=target)
    account = _account_of(server)
    folder = _local(repository, system)
    login = connection.info
    text = _CONFIGURATION.format(
        folder=folder,
        stanza=STANZA,
        data=server.data,
        port=server.port,
        socket=server.socket_folder,
        user=login.user,
        database=login.dbname,
    )
    try:
        _make_folder(folder, account)
        _write(folder / _CONFIGURATION_FILE, text, account)
    except OSError as error:
        raise repository_error(error, repository.place) from error
    if not account.can_enter(folder):
        raise PgbackrestOutOfReach(CLOSED.format(folder=folder))
    environment = {"PGPASSWORD": login.password} if login.password else {}
    stanza = Stanza(
        folder=folder, account=account, program=program, version=version, environment=environment
    )
    return stanza, server


def find_stanza(repository: Repository, system: str) -> Stanza:
    """The stanza of a cluster that need not be there any more, to read and to restore from.

    Raises PgbackrestMissing, and PgbackrestOutOfReach where the folder is not there.
    """
    program, version = find_program()
    folder = _local(repository, system)
    if not folder.is_dir():
        raise PgbackrestOutOfReach(_ELSEWHERE.format(folder=folder))
    account = choose_account(folder)
    if not account.can_enter(folder):
        raise PgbackrestOutOfReach(CLOSED.format(folder=folder))
    return Stanza(folder=folder, account=account, program=program, version=version)


def configuration_of(system: str) -> str:
    """The path of a cluster's configuration, below the repository."""
    return f"{PROGRAM}/{system}/{_CONFIGURATION_FILE}"


def read_kept_archive(repository: Repository, system: str, segment_bytes: int) -> WalArchive:
    """The WAL of a cluster that pgBackRest has. Raises what `find_stanza` raises."""
    stanza = find_stanza(repository, system)
    histories = {int(path.stem, 16): path for path in stanza.histories()}
    return WalArchive(
        system,
        segment_bytes,
        stanza.archived(segment_bytes),
        {one: parse_history(path.read_text("utf-8")) for one, path in histories.items()},
        {one: _written_at(path) for one, path in histories.items()},
    )


def _written_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def find_program() -> tuple[Path, str]:
    """The program, and its version such as "2.45". Raises PgbackrestMissing."""
    found = shutil.which(PROGRAM)
    if found is None:
        raise PgbackrestMissing
    said = subprocess.run([found, "version"], capture_output=True, text=True, check=False)
    version = re.search(r"pgBackRest (\S+)", said.stdout)
    if version is None:
        raise PgbackrestMissing
    return Path(found), version[1]


def require_known(version: str, major: int) -> None:
    """Raise PgbackrestTooOld where this release does not know the server's version."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if numbers < _KNOWS_NEWER_SINCE and major > _NEWEST_OF_OLD:
        raise PgbackrestTooOld(version=version, newest=_NEWEST_OF_OLD, major=major)


def _account_of(server: Server) -> Account:
    data = Path(server.data)
    if not server.socket_folder:
        raise PgbackrestOutOfReach(_NO_SOCKET)
    try:
        owner = data.stat().st_uid
        running = (data / "postmaster.pid").is_file()
    except OSError:
        running, owner = False, -1
    if server.data.startswith("/proc/"):
        # The account reaches it through a descriptor of its own, which pgBackRest has not.
        raise PgbackrestOutOfReach(CLOSED.format(folder=data))
    if not running:
        raise PgbackrestOutOfReach(_ELSEWHERE.format(folder=data))
    account = choose_account(data)
    if account.uid != owner:
        raise PgbackrestOutOfReach(_NOT_OWNER.format(folder=data))
    if not account.can_enter(data):
        raise PgbackrestOutOfReach(CLOSED.format(folder=data))
    return account


def _local(repository: Repository, system: str) -> Path:
    folder = repository.folder(f"{PROGRAM}/{system}")
    if folder is None:
        raise PgbackrestOutOfReach(_NOT_LOCAL.format(place=repository.place))
    return folder


def _make_folder(folder: Path, account: Account) -> None:
    """The account passes through what is above it, and nobody else sees what is in it."""
    above = (folder.parent.parent, folder.parent)
    for place in above:
        place.mkdir(mode=0o711, parents=True, exist_ok=True)
        if account.switched:
            place.chmod(place.stat().st_mode | 0o011)
    if not folder.is_dir():
        folder.mkdir(mode=0o700)
        account.own(folder)


def _write(path: Path, text: str, account: Account) -> None:
    """Replace it in one moment: the server's archive command may read it now."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    account.own(draft)
    draft.replace(path)


def _kept(said: Mapping[str, Any]) -> Kept:
    return Kept(
        label=said["label"],
        type=said["type"],
        name=(said.get("annotation") or {}).get("agentpg", ""),
        needs=tuple(said["reference"] or ()),
        start_lsn=said["lsn"]["start"],
        stop_lsn=said["lsn"]["stop"],
        start_wal=said["archive"]["start"],
        stop_wal=said["archive"]["stop"],
        size_bytes=said["info"]["size"],
        stored_bytes=said["info"]["repository"]["delta"],
        page_errors=bool(said.get("error")),
    )


def _reason(said: str) -> str:
    """Its own words for what failed, from the first error on; empty where there is none."""
    lines = said.splitlines()
    for place, line in enumerate(lines):
        found = _ERROR_LINE.search(line)
        if found is not None:
            more = (one.strip() for one in lines[place + 1 :] if one.startswith(" "))
            return "; ".join((found[1], *more))
    return ""
