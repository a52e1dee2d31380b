"""Archiving the WAL: turned on, turned off, looked at, and proved.

PostgreSQL calls a command for each file of WAL, 16 MB, or what has gathered within
`archive_timeout`. For a folder it is a small shell script, `archive_wal.sh`, which lies in the
archive itself: starting Python for each file costs more than compressing it. For a bucket, or
where backups are sealed, it is `push_wal.sh`, which does start it (`orders.py`, `pushing.py`),
for several files at once where they wait. `basic_archive`, which comes
with PostgreSQL, was the other choice; it stores WAL as it is, without a checksum, so that a flipped
bit is indistinguishable from the end of the WAL, and 16 MB for each file that is nearly empty.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from agentpg.db import Connection, Statements, class_row, dict_row, driver_errors, render
from agentpg.desk.backup.pgbackrest.stanza import (
    configuration_of,
    make_stanza,
    read_kept_archive,
)
from agentpg.desk.backup.recovery.orders import PUSH_SCRIPT, give_orders
from agentpg.desk.backup.recovery.server_side import (
    LocalServer,
    hand_over,
    has_zstd,
    make_folder,
    server_of,
    write_script,
)
from agentpg.desk.backup.recovery.wal import (
    Gap,
    WalArchive,
    prefix_of,
    read_archive,
    segment_named,
)
from agentpg.desk.backup.recovery.whose import SCRIPT, Archive, other_owner
from agentpg.desk.backup.storage.keys import recipients_of_wal, seals
from agentpg.desk.backup.storage.repository import SEALED, Repository
from agentpg.embedded.postmaster import wait_for
from agentpg.errors import (
    ArchivingFailed,
    ArchivingNotOurs,
    PermissionDenied,
    PgbackrestNotSealed,
    RepositoryUnavailable,
)
from agentpg.language import N_
from agentpg.settings import Settings, hide_secrets

_ON = ("on", "always")
# Commands that say yes and keep nothing.
_NOTHING = ("", "true", ":", "/bin/true", "/usr/bin/true", "exit 0")
_SQL = Statements("archiving", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Archiver:
    """What the server says of its archiving; times are by its clock.

    `writing` is the file of WAL that it writes now. `timeout_seconds` is how long WAL waits at most
    for its file to be full, 0 for ever.
    """

    mode: str
    command: str
    library: str
    wal_level: str
    timeout_seconds: float
    restart_needed: bool
    segment_bytes: int
    system: str
    writing: str
    asked_at: datetime
    archived: int
    last_archived: str | None
    last_archived_at: datetime | None
    failed: int
    last_failed: str | None
    last_failed_at: datetime | None
    counted_since: datetime | None

    @property
    def is_on(self) -> bool:
        """Whether the server archives at all."""
        return self.mode in _ON

    @property
    def keeps_nothing(self) -> bool:
        """Whether the command says yes to everything and keeps nothing."""
        return not self.library and self.command.strip() in _NOTHING

    @property
    def is_ours(self) -> bool:
        """Whether the command is one that `turn_on` sets."""
        scripts = (f"/{SCRIPT}", f"/{PUSH_SCRIPT}")
        known = any(script in self.command for script in scripts)
        return (known or self.uses_pgbackrest) and not self.library

    @property
    def uses_pgbackrest(self) -> bool:
        """Whether the command is pgBackRest's, with the configuration in our repository."""
        return f"/{configuration_of(self.system)}" in self.command

    @property
    def failing_since(self) -> datetime | None:
        """Since when nothing was archived, though it was tried; None where it works."""
        if self.last_failed_at is None:
            return None
        if self.last_archived_at is None:
            return self.counted_since or self.last_failed_at
        return self.last_archived_at if self.last_failed_at > self.last_archived_at else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveStatus:
    """Archiving as a whole: what the server does, and what the repository has.

    `waiting` files are those not yet archived, the oldest since `waiting_since`; None where the
    role may not see that. `gaps` are what is missing between the first and the last segment of
    each timeline. `sealed` is how many of the segments are. `arrives`: the last file that the
    server has archived is in this repository; it may archive into another one.
    """

    archiver: Archiver
    waiting: int | None
    waiting_since: datetime | None
    segments: int
    sealed: int
    size_bytes: int
    gaps: tuple[Gap, ...]
    arrives: bool

    @property
    def is_well(self) -> bool:
        """Whether all WAL gets into the archive, as far as is known."""
        archiver = self.archiver
        works = archiver.is_on and archiver.is_ours and archiver.failing_since is None
        return works and self.arrives and not self.gaps


def look_at_archiving(connection: Connection[Any], repository: Repository) -> ArchiveStatus:
    """How archiving goes, as it may be shown: secrets in another's command are hidden.

    Raises RepositoryError where the archive can't be looked at.
    """
    archiver = read_archiver(connection)
    archiver = replace(archiver, command=hide_secrets(archiver.command))
    look = read_kept_archive if archiver.uses_pgbackrest else read_archive
    archive = look(repository, archiver.system, archiver.segment_bytes)
    waiting, since = _waiting(connection)
    return ArchiveStatus(
        archiver=archiver,
        waiting=waiting,
        waiting_since=since,
        segments=len(archive.segments),
        sealed=sum(stored.key.endswith(SEALED) for stored in archive.segments.values()),
        size_bytes=archive.size_bytes,
        gaps=tuple(_gaps(archive)),
        arrives=_arrives(archiver, archive),
    )


def _arrives(archiver: Archiver, archive: WalArchive) -> bool:
    """Whether the last segment that was archived is here; what is no segment tells nothing."""
    last = segment_named(archiver.last_archived or "", archiver.segment_bytes)
    return last is None or last in archive.segments


def read_archiver(connection: Connection[Any]) -> Archiver:
    """What the server says of its archiving."""
    with connection.cursor(row_factory=class_row(Archiver)) as cursor:
        [found] = cursor.execute(_SQL["read_archiving"], {}).fetchall()
    return found


def turn_on(
    connection: Connection[Any],
    repository: Repository,
    *,
    at_least_every: timedelta = timedelta(seconds=60),
    form: str = "",
    settings: Settings | None = None,
    python: Path | None = None,
    pgbackrest: bool = False,
    force: bool = False,
) -> Archiver:
    """Let the server archive its WAL into the repository; needs a superuser.

    `form` is how files are compressed in a folder: zst, gz, or empty for zst where the server's
    account has the program, which takes a fifth of the time. `settings` say how a bucket is
    reached, and for whom WAL is sealed: for those for whom backups are; None: a plain folder.
    `python` is what the account runs then, where it can't run the one that runs this. With
    `pgbackrest` it is that which archives, for its own backups. With `force` it takes the place of
    what archives elsewhere. What the answer says of `restart_needed` must be done for it to begin.
    Raises ArchivingNotOurs where it archives elsewhere already, ArchiveOutOfReach, ArchiveNotHere,
    ArchiveCommandFails, RepositoryError, what is wrong with a key, and what pgBackRest raises.
    """
    archiver = read_archiver(connection)
    keeper = server_of(connection)
    if not force:
        data = None if keeper is None else keeper.data
        _require_ours(archiver, Archive(repository, archiver.system, settings, data))
    if pgbackrest:
        command = _pgbackrest_command(connection, repository, archiver.system, settings)
    else:
        command = _command(repository, archiver.system, keeper, form, settings, python)
    if archiver.library:
        _set(connection, "set_archive_library", library="")
    _set(connection, "set_archive_command", command=command)
    _set(connection, "set_archive_timeout", seconds=f"{int(at_least_every.total_seconds())}s")
    if not archiver.is_on:
        _set(connection, "set_archive_mode", mode="on")
    if archiver.wal_level == "minimal":
        connection.execute(_SQL["set_wal_level"])
    seconds = at_least_every.total_seconds()
    # While archive_mode is off, the server shows no command.
    return _reloaded(
        connection,
        lambda found: (
            found.timeout_seconds == seconds and (not found.is_on or found.command == command)
        ),
    )


def _require_ours(archiver: Archiver, archive: Archive) -> None:
    """Raise ArchivingNotOurs where the server archives, and not into this archive."""
    if not archiver.is_on or archiver.keeps_nothing:
        return
    owner = archiver.library or other_owner(archiver.command, archive)
    if owner is not None:
        raise ArchivingNotOurs(owner=owner)


def turn_off(connection: Connection[Any]) -> Archiver:
    """Let the server archive no more, from its next restart on.

    Until then it goes on: a server that should archive and can't keeps all its WAL, until
    its disk is full. What was archived stays.
    """
    _set(connection, "set_archive_mode", mode="off")
    _set(connection, "set_archive_timeout", seconds="0")
    return _reloaded(connection, lambda found: found.timeout_seconds == 0)


def prove_archiving(
    connection: Connection[Any], repository: Repository, patience: timedelta
) -> str:
    """End the present file of WAL and wait until the archive has it; its name.

    Raises ArchivingFailed with what is known where that does not happen in time.
    """
    before = read_archiver(connection)
    if not before.is_on:
        raise ArchivingFailed(N_("archive_mode is off"))
    name = end_segment(connection)
    await_archived(connection, name, patience, before.failed)
    if not _has(repository, before, name):
        raise ArchivingFailed(f"{name}: {repository.place}")
    return name


def end_segment(connection: Connection[Any]) -> str:
    """End the file of WAL that is being written, so that it is archived; its name."""
    [row] = connection.execute(_SQL["end_segment"]).fetchall()
    return str(row[0])


def await_archived(
    connection: Connection[Any], name: str, patience: timedelta, failed_before: int = 0
) -> None:
    """Wait until the server says that a file of WAL is archived. Raises ArchivingFailed."""

    def is_archived() -> bool:
        found = read_archiver(connection)
        # The names of one timeline, and of a later one, are in their order.
        return (found.last_archived or "")[:24] >= name

    if wait_for(is_archived, patience):
        return
    found = read_archiver(connection)
    if found.failed > failed_before:
        raise ArchivingFailed(f"{found.last_failed}, {found.last_failed_at:%Y-%m-%d %H:%M:%S%z}")
    raise ArchivingFailed(f"{name}: {int(patience.total_seconds())} s")


def make_archive_folder(repository: Repository, system: str, server: LocalServer | None) -> str:
    """The folder of a cluster's WAL, with the script, and writable for the server alone.

    The answer is its path as the server gets there. Raises ArchiveOutOfReach where it can't,
    and RepositoryUnavailable for a repository that is no folder.
    """
    folder = repository.folder(prefix_of(system).rstrip("/"))
    if folder is None:
        raise RepositoryUnavailable(N_("a server archives into a folder"), place=repository.place)
    try:
        make_folder(folder)
        write_script(folder / SCRIPT)
        return hand_over(folder, server)
    except OSError as error:
        raise RepositoryUnavailable(error.strerror or str(error), place=str(folder)) from error


def _command(
    repository: Repository,
    system: str,
    keeper: LocalServer | None,
    form: str,
    settings: Settings | None,
    python: Path | None,
) -> str:
    if settings is not None:
        recipients = recipients_of_wal(settings, repository, system)
        if recipients or repository.folder(prefix_of(system)) is None:
            return give_orders(settings, repository, system, recipients, keeper, python)
    folder = make_archive_folder(repository, system, keeper)
    zstd = has_zstd(None if keeper is None else keeper.account)
    return _script_command(folder, form or ("zst" if zstd else "gz"))


def _pgbackrest_command(
    connection: Connection[Any], repository: Repository, system: str, settings: Settings | None
) -> str:
    """What it keeps lies open: where backups are sealed, its archive would be a leak."""
    if settings is not None and seals(settings):
        raise PgbackrestNotSealed
    info = connection.info
    target = f"{info.host}:{info.port}/{info.dbname}"
    stanza, _ = make_stanza(connection, repository, system, target)
    stanza.run("stanza-create")
    return stanza.archive_command


def _has(repository: Repository, archiver: Archiver, name: str) -> bool:
    """Whether the archive has a file of WAL."""
    if archiver.uses_pgbackrest:
        size = archiver.segment_bytes
        kept = read_kept_archive(repository, archiver.system, size).segments
        return segment_named(name, size) in kept
    return any(repository.objects(prefix_of(archiver.system) + name))


def _script_command(folder: str, form: str) -> str:
    """With the script; a per cent sign in the path is doubled for PostgreSQL."""
    script = shlex.quote(f"{folder}/{SCRIPT}").replace("%", "%%")
    return f'sh {script} {form} "%p" "%f"'


def _set(connection: Connection[Any], statement: str, **values: str) -> None:
    connection.execute(render(connection, _SQL[statement], values).encode())


def _reloaded(connection: Connection[Any], is_in_force: Callable[[Archiver], bool]) -> Archiver:
    connection.execute(_SQL["reload"])
    wait_for(lambda: is_in_force(read_archiver(connection)), timedelta(seconds=10))
    return read_archiver(connection)


def _waiting(connection: Connection[Any]) -> tuple[int | None, datetime | None]:
    try:
        with driver_errors("", connection), connection.cursor(row_factory=dict_row) as cursor:
            [row] = cursor.execute(_SQL["count_waiting"], {}).fetchall()
    except PermissionDenied:
        return None, None
    return row["files"], row["oldest_at"]


def _gaps(archive: WalArchive) -> list[Gap]:
    found: list[Gap] = []
    for timeline in archive.timelines():
        numbers = [one.number for one in archive.segments if one.timeline == timeline]
        if numbers:
            found += archive.gaps(timeline, min(numbers))
    return found
