"""A base backup is recovered to a moment, in a new data folder and by a server of its own.

The server listens on a socket in a private folder only, reads a configuration of our own beside
the folder's ALTER SYSTEM settings, and archives nothing. It recovers, becomes writable, and
is stopped: what is left is a data folder that any server of its version can start.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.pgbackrest.recovery import restore_files
from agentpg.desk.backup.proof.blame import is_no_room
from agentpg.desk.backup.recovery.kept import archive_of
from agentpg.desk.backup.recovery.recovery_server import run_until_recovered
from agentpg.desk.backup.recovery.staging import (
    OpenSeal,
    no_key_for_wal,
    reachable_archive,
    staging_folder,
    take_tail,
    with_tail,
)
from agentpg.desk.backup.recovery.targets import Copy, RecoveryPlan, Target, plan_recovery
from agentpg.desk.backup.recovery.unpacking import (
    Opener,
    Place,
    Report,
    fetching_from,
    forget_recovery,
    unpack_backup,
    write_recovery,
)
from agentpg.desk.backup.recovery.wal import Segment, WalArchive, lsn_number
from agentpg.desk.backup.storage.repository import Repository
from agentpg.embedded.binaries import Binaries
from agentpg.errors import (
    RecoveryDiskFull,
    RecoveryEnded,
    RecoveryFailed,
    TargetNotReached,
    WalDamaged,
    WrongMajorVersion,
)

# PostgreSQL wants a command; this one says that there is no such file.
_NO_ARCHIVE = "false"
# With so many processes pgBackRest restores.
_JOBS = 2
_REASON_LINES = 3
_TOO_SHORT = "recovery ended before configured recovery target was reached"
_RECOVERED = "archive recovery complete"
_DAMAGED = re.compile(r'could not restore file "(\w+)" from archive: .*exit code 200')
_REDO_DONE = re.compile(r"redo done at ([0-9A-F]+/[0-9A-F]+)")
_NEW_TIMELINE = re.compile(r"selected new timeline ID: (\d+)")
_LAST_COMMIT = re.compile(r"last completed transaction was at log time (.+)")
_STOPPED = re.compile(r"recovery stopping (.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A data folder that recovers when it is started, and how that was decided."""

    plan: RecoveryPlan
    place: Place
    source: Backup
    archive: WalArchive
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """A data folder that has recovered and is stopped.

    `stopped` is what the server said of where it stopped, `last_commit` of the last transaction
    that it has; `lsn` is where the new `timeline` begins. `took` is the time of the recovery
    itself, without the unpacking. `unfinished` is how many tasks were held or ended afterwards;
    None where nobody looked. `subscriptions` were disabled, as DATABASE.SUBSCRIPTION.
    """

    folder: Path
    timeline: int
    lsn: str
    stopped: str
    last_commit: str
    took: timedelta
    unfinished: int | None = None
    subscriptions: tuple[str, ...] = ()


def prepare_recovery(
    backup: Backup,
    repository: Repository,
    target: Target,
    place: Place,
    opener: Opener,
    *,
    open_wal: OpenSeal = no_key_for_wal,
    tail: Path | None = None,
    report: Report | None = None,
) -> Prepared:
    """Unpack a backup and tell it where to recover to; nothing is started.

    `open_wal` gives what opens archived WAL that is sealed. `tail` is the pg_wal of the server
    that was, where it is still there: what it had no time to archive is recovered too. Raises
    RecoveryRefused where the target can't be reached, WalDamaged and what `open_wal` raises.
    """
    archive = _archive(backup, repository, target)
    if tail is not None:
        archive = with_tail(archive, tail)
    plan = plan_recovery(backup, archive, target)
    settings = {**plan.settings, "restore_command": _NO_ARCHIVE}
    if backup.kind == "pgbackrest":
        spaces = place.folder.with_name("tablespaces")
        stanza = restore_files(backup, repository, place.folder, _JOBS, spaces)
        settings["restore_command"] = stanza.restore_command(place.folder)
    else:
        unpack_backup(backup, place, opener, report)
    with _removed_on_error(place):
        if target.by != "backup":
            if tail is not None:
                take_tail(archive, tail, place)
            folder = None
            if backup.kind == "base":
                folder = reachable_archive(repository, archive, plan, place, open_wal)
            if folder is not None:
                settings["restore_command"] = fetching_from(
                    folder, place.folder, place.account, _last_segment(archive, plan)
                )
        write_recovery(place.folder, place.account, settings)
    return Prepared(plan=plan, place=place, source=backup, archive=archive, settings=settings)


def recover(prepared: Prepared, binaries: Binaries, log: Path) -> Recovered:
    """Let a server recover the folder, and stop it. Raises RecoveryFailed and WalDamaged.

    `log` is a new file for what the server says. The folder stays where that fails.
    """
    refuse_other_major(prepared.source, prepared.place.folder, binaries)
    begun = time.monotonic()
    said = _run_to_the_end(prepared, binaries, log)
    if _TOO_SHORT in said and _is_covered(prepared.plan):
        # Nothing was committed after the target, so that there was nothing to stop at; the
        # archive goes beyond it, so that its end is the state at the target.
        _aim_at_the_end(prepared)
        said = _run_to_the_end(prepared, binaries, log)
    _judge(prepared, said, log)
    forget_recovery(prepared.place.folder, prepared.place.account)
    shutil.rmtree(staging_folder(prepared.place), ignore_errors=True)
    return _recovered(prepared, said, timedelta(seconds=time.monotonic() - begun))


def _archive(backup: Backup, repository: Repository, target: Target) -> WalArchive:
    """The archive; of ours, nothing is needed for the backup's own moment."""
    if target.by == "backup" and backup.kind == "base":
        return WalArchive(backup.source.system_identifier, Copy.of(backup).segment_bytes, {})
    return archive_of(repository, backup)


def _last_segment(archive: WalArchive, plan: RecoveryPlan) -> str:
    """The last one that was there when this was planned.

    A recovery may read the WAL twice, and must find the same: what is committed meanwhile is not
    what was asked for.
    """
    number = lsn_number(plan.reach.to_lsn) // archive.segment_bytes - 1
    return Segment(plan.timeline, number).name(archive.segment_bytes)


@contextmanager
def _removed_on_error(place: Place) -> Iterator[None]:
    """Leave no half-made folder behind, of those that were made by the unpacking."""
    try:
        yield
    except BaseException:
        for folder in (place.folder, staging_folder(place), *place.tablespaces.values()):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def refuse_other_major(backup: Backup, folder: Path, binaries: Binaries) -> None:
    """Raise WrongMajorVersion where these programs can't run what the backup holds."""
    major = backup.source.server_version // 10_000
    if binaries.major != major:
        raise WrongMajorVersion(
            folder=folder,
            found=major,
            binaries=binaries.folder,
            wanted=binaries.major,
        )


def _run_to_the_end(prepared: Prepared, binaries: Binaries, log: Path) -> str:
    """Start the server, wait until it has recovered or ended, stop it; what it said."""
    floors = Copy.of(prepared.source).floors
    return run_until_recovered(prepared.place, binaries, floors, log)


def _is_covered(plan: RecoveryPlan) -> bool:
    """Whether there is WAL from after the target, so that nothing before it can be missing."""
    target, reach = plan.target, plan.reach
    if target.by == "time" and target.at is not None:
        return target.at < reach.to_at
    lsn = target.value if target.by == "lsn" else target.lsn
    return bool(lsn) and lsn_number(lsn) <= lsn_number(reach.to_lsn)


def _aim_at_the_end(prepared: Prepared) -> None:
    """The same recovery without a target; what it would end before has to be there."""
    kept = {
        name: value
        for name, value in prepared.settings.items()
        if name in ("recovery_target_timeline", "restore_command", "hot_standby")
    }
    write_recovery(prepared.place.folder, prepared.place.account, kept)


def _judge(prepared: Prepared, said: str, log: Path) -> None:
    """Raise what went wrong; a recovery that ended too early is one that went wrong."""
    folder, plan = prepared.place.folder, prepared.plan
    damaged = _DAMAGED.search(said)
    if damaged is not None:
        raise WalDamaged("its checksum does not fit", key=damaged[1])
    done = _REDO_DONE.findall(said)
    reached = _last(_LAST_COMMIT, said) or (done[-1] if done else "")
    if _RECOVERED not in said:
        if _TOO_SHORT in said:
            raise TargetNotReached(target=plan.target, reached=reached, folder=folder, log=log)
        raise _failure(said)(_last_words(said), folder=folder, log=log)
    aimed = _STOPPED.search(said) is not None
    # The end of the archive is found by a file that is missing, or by one that is damaged.
    least = lsn_number(plan.reach.to_lsn) - Copy.of(prepared.source).segment_bytes
    if not aimed and (not done or lsn_number(done[-1]) < least):
        raise TargetNotReached(target=plan.target, reached=reached, folder=folder, log=log)


def _failure(said: str) -> type[RecoveryFailed]:
    """A server that gives up says why; one that was killed has no time to."""
    if is_no_room(said):
        return RecoveryDiskFull
    return RecoveryFailed if _grave(said) else RecoveryEnded


def _last_words(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return "; ".join((_grave(said) or lines)[-_REASON_LINES:]) or "-"


def _grave(said: str) -> list[str]:
    lines = [line.strip() for line in said.splitlines()]
    return [line for line in lines if line.startswith(("FATAL", "PANIC", "ERROR"))]


def _last(pattern: re.Pattern[str], said: str) -> str:
    found = pattern.findall(said)
    return str(found[-1]).strip() if found else ""


def _recovered(prepared: Prepared, said: str, took: timedelta) -> Recovered:
    return Recovered(
        folder=prepared.place.folder,
        timeline=int(_last(_NEW_TIMELINE, said) or prepared.plan.timeline),
        lsn=_last(_REDO_DONE, said),
        stopped=_last(_STOPPED, said),
        last_commit=_last(_LAST_COMMIT, said),
        took=took,
    )
