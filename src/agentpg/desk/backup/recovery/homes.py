"""A recovered cluster becomes a private server of its own, or takes the place of the one that is.

It is recovered into a home of its own, beside the present one, and its unfinished tasks are held
and its subscriptions disabled while nobody but us can connect to it. There it can be started and
looked at. To replace the present one, the two data folders change places in one moment; the old
one is then in the other home, to be looked at, or changed back. What is changed back has stood
still meanwhile, and its tasks may have run in the cluster that was in its place: they are held
before as well.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agentpg.db import Connection, Statements
from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.pgbackrest.stanza import find_stanza
from agentpg.desk.backup.proof.blame import is_no_room
from agentpg.desk.backup.recovery.drafts import holding, remove_left_recoveries
from agentpg.desk.backup.recovery.recovering import (
    Prepared,
    Recovered,
    prepare_recovery,
    recover,
    refuse_other_major,
)
from agentpg.desk.backup.recovery.recovery_server import running_privately
from agentpg.desk.backup.recovery.settling import Settled, settle_cluster
from agentpg.desk.backup.recovery.staging import (
    OpenSeal,
    leave_to_archive,
    no_key_for_wal,
    reserve_timelines,
)
from agentpg.desk.backup.recovery.targets import Copy, Target
from agentpg.desk.backup.recovery.unpacking import (
    RECOVERED,
    Opener,
    Place,
    Report,
    allow_archiving,
    forbid_archiving,
)
from agentpg.desk.backup.recovery.wal import timelines_in
from agentpg.desk.backup.restore.unfinished import (
    PUT_BACK,
    Unfinished,
    reason_of_recovery,
)
from agentpg.desk.backup.storage.repository import Repository
from agentpg.embedded.account import Account, choose_account
from agentpg.embedded.binaries import Binaries, binaries_for
from agentpg.embedded.exchange import exchange
from agentpg.embedded.folder import SUPERUSER, Folder, known_passwords, renew_passwords
from agentpg.embedded.postmaster import postmaster_pid
from agentpg.errors import (
    AgentpgError,
    FileNotWritten,
    FolderInTheWay,
    HomesApart,
    NoClusterThere,
    RecoveryDiskFull,
    RecoveryTooSmall,
    ServerStillRuns,
    UnfinishedNotSettled,
)

_LOG = "recovery.log"
# What is prepared in two phases there wants its places.
_FLOORS = {"max_prepared_transactions": "1000"}
_SQL = Statements("base", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeWork:
    """What is recovered into a new home, and how; `beside` is the home that is.

    `open_wal` gives what opens archived WAL that is sealed; `unfinished` is what becomes of tasks
    that had not ended then.
    """

    backup: Backup
    repository: Repository
    target: Target
    home: Path
    beside: Path
    binaries: Binaries
    opener: Opener
    tablespaces: dict[str, Path]
    open_wal: OpenSeal = no_key_for_wal
    tail: Path | None = None
    unfinished: Unfinished = "hold"


def recover_home(work: HomeWork, report: Report | None = None) -> Recovered:
    """Recover a cluster into a new home: `agentpg --home HOME server start` starts it.

    It archives nothing, so that it does not get into the archive of the one that it came from.
    Its roles have the passwords of the home that is, or new ones. Raises FolderInTheWay,
    RecoveryTooSmall, what `recover` raises, and UnfinishedNotSettled; the home is removed where
    the cluster could not be unpacked, or the disk became full.
    """
    folder = Folder(work.home.absolute())
    remove_left_recoveries(folder.home.parent)
    if folder.home.exists():
        raise FolderInTheWay(folder=folder.home)
    refuse_other_major(work.backup, folder.home, work.binaries)
    _require_room(work, folder)
    place = Place(
        folder=folder.recovering,
        account=_account_for(work, folder),
        tablespaces=work.tablespaces,
    )
    _make_places(folder, place.account)
    with _written(folder), holding(folder.home):
        prepared = _prepare(work, folder, place, report)
        with _removed_where_full(folder, place):
            return _recover_there(work, folder, prepared)


def _prepare(work: HomeWork, folder: Folder, place: Place, report: Report | None) -> Prepared:
    """Unpack it; where that fails, the home goes, and nothing that was there before."""
    try:
        return prepare_recovery(
            work.backup,
            work.repository,
            work.target,
            place,
            work.opener,
            open_wal=work.open_wal,
            tail=work.tail,
            report=report,
        )
    except BaseException:
        shutil.rmtree(folder.home, ignore_errors=True)
        raise


def _recover_there(work: HomeWork, folder: Folder, prepared: Prepared) -> Recovered:
    place = prepared.place
    # Another cluster of this origin may have had the next timeline, and its WAL is kept.
    taken = timelines_in(work.repository, work.backup.source.system_identifier)
    reserve_timelines(prepared.place, prepared.plan.timeline, taken)
    recovered = recover(prepared, work.binaries, folder.home / _LOG)
    settled = _settle(work, prepared, folder.home / _LOG)
    recovered = replace(
        recovered, unfinished=settled.unfinished, subscriptions=settled.subscriptions
    )
    # A cluster whose settings lie elsewhere is not one that we start.
    if (place.folder / "postgresql.conf").is_file():
        runnable = binaries_for(place.account, work.binaries)
        known = known_passwords(Folder(work.beside))
        renew_passwords(folder, place.account, runnable, known, data=place.folder)
    # At the end: whoever works in the folder until then removes what it does not need.
    if work.tail is not None:
        leave_to_archive(prepared.archive, work.tail, place, recovered.timeline)
    place.folder.rename(folder.data)
    return replace(recovered, folder=folder.data)


def _require_room(work: HomeWork, folder: Folder) -> None:
    """Refuse a recovery that can't end; what is on one disk is counted once."""
    disks = {
        there.stat().st_dev: shutil.disk_usage(there).free
        for there in map(_nearest, (folder.home, *work.tablespaces.values()))
    }
    free, needed = sum(disks.values()), Copy.of(work.backup).cluster_bytes
    if free < needed:
        raise RecoveryTooSmall(folder=folder.home.parent, free=free, needed=needed)


def _nearest(path: Path) -> Path:
    """The folder itself, or the one above it that is there."""
    return next(one for one in (path, *path.parents) if one.exists())


@contextmanager
def _removed_where_full(folder: Folder, place: Place) -> Iterator[None]:
    """Give the room back that a recovery took, where there was not enough of it."""
    try:
        yield
    except (RecoveryDiskFull, OSError):
        for one in (folder.home, *place.tablespaces.values()):
            shutil.rmtree(one, ignore_errors=True)
        raise


@contextmanager
def _written(folder: Folder) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileNotWritten(error.strerror or str(error), path=folder.home) from error


def _account_for(work: HomeWork, folder: Folder) -> Account:
    """Whose the cluster will be: of pgBackRest's, that of its files, who alone reads the WAL."""
    if work.backup.kind == "pgbackrest":
        return find_stanza(work.repository, work.backup.source.system_identifier).account
    return choose_account(folder.data)


def _settle(work: HomeWork, prepared: Prepared, log: Path) -> Settled:
    """Hold or fail what had not ended, before the cluster is anybody's, and let nothing of it
    take what is for the one that it came from."""
    copy = Copy.of(work.backup)
    reason = reason_of_recovery(work.backup, work.target)
    try:
        with running_privately(
            prepared.place, work.binaries, copy.floors, copy.superuser, log
        ) as server:
            return settle_cluster(server, reason, work.unfinished)
    except AgentpgError as error:
        if is_no_room(str(error)):
            raise RecoveryDiskFull(str(error), folder=work.home.absolute(), log=log) from error
        raise UnfinishedNotSettled(str(error), folder=work.home.absolute(), log=log) from error


def settle_home(home: Path, unfinished: Unfinished, binaries: Binaries) -> Settled:
    """Hold or fail what has not ended in the cluster of a home that stands still.

    Its subscriptions are disabled as well: the other cluster may have taken their changes.
    Raises NoClusterThere, ServerStillRuns, UnfinishedNotSettled.
    """
    require_stopped_cluster(home)
    folder = Folder(home.absolute())
    place = Place(folder=folder.data, account=choose_account(folder.data))
    log = folder.home / _LOG
    try:
        with running_privately(place, binaries, _FLOORS, SUPERUSER, log) as server:
            return settle_cluster(server, PUT_BACK, unfinished)
    except AgentpgError as error:
        raise UnfinishedNotSettled(str(error), folder=folder.home, log=log) from error


def exchange_clusters(present: Path, other: Path) -> None:
    """Let the cluster of another home and the present one change places in one moment.

    The one that comes archives from now on, the one that goes does not any more. Both servers
    must be stopped. Raises NoClusterThere, ServerStillRuns and FileNotWritten; then the present
    one is as it was.
    """
    here, there = Folder(present.absolute()), Folder(other.absolute())
    for folder in (here, there):
        require_stopped_cluster(folder.home)
    if here.data.samefile(there.data):
        raise NoClusterThere(folder=there.home)
    comes = choose_account(there.data)
    try:
        # In this order: at no moment is there one in the present place that does not archive.
        allow_archiving(there.data, comes)
        try:
            exchange(here.data, there.data)
        except BaseException:
            forbid_archiving(there.data, comes)
            raise
        forbid_archiving(there.data, choose_account(there.data))
    except OSError as error:
        raise FileNotWritten(error.strerror or str(error), path=here.home) from error


def require_one_file_system(present: Path, other: Path) -> None:
    """Raise HomesApart where two homes can't change places, of which the other may not be there."""
    there = next(path for path in (other, *other.parents) if path.exists())
    if there.stat().st_dev != present.stat().st_dev:
        raise HomesApart(present=present, other=other)


def require_stopped_cluster(home: Path) -> None:
    """Raise NoClusterThere or ServerStillRuns for a home that nothing can change places with."""
    folder = Folder(home.absolute())
    if not (folder.data / "PG_VERSION").is_file():
        raise NoClusterThere(folder=folder.home)
    pid = postmaster_pid(folder.data)
    if pid is not None:
        raise ServerStillRuns(folder=folder.home, pid=pid)


def list_sessions(connection: Connection[Any]) -> list[str]:
    """Who else is connected to the cluster, by application or role."""
    return [str(row[0]) for row in connection.execute(_SQL["list_sessions"]).fetchall()]


def steps_to_replace(backup: Backup, home: Path, timeline: int) -> list[str]:
    """What puts a recovered data folder in the place of the one that was, for its owner.

    It archives again then, the history of its timeline first: without that, nobody could follow it.
    """
    data = Copy.of(backup).places.get("data_directory", "/var/lib/postgresql/VERSION/main")
    old, recovered = f"{data}.old", str(Folder(home.absolute()).data)
    waiting = f"{data}/pg_wal/archive_status/{timeline:08X}.history.ready"
    return [
        "systemctl stop postgresql",
        # Never into a folder of that name.
        f"mv --no-target-directory {shlex.quote(data)} {shlex.quote(old)}",
        f"mv --no-target-directory {shlex.quote(recovered)} {shlex.quote(data)}",
        f"sed -i '/{RECOVERED}/,+1d' {shlex.quote(f'{data}/postgresql.auto.conf')}",
        f"touch {shlex.quote(waiting)}",
        f"chown -R --reference={shlex.quote(old)} {shlex.quote(data)}",
        "systemctl start postgresql",
    ]


def _make_places(folder: Folder, account: Account) -> None:
    """A home through which the server's account may pass."""
    try:
        folder.root.mkdir(parents=True)
        folder.home.chmod(0o711)
        folder.root.chmod(0o711)
        folder.logs.mkdir(mode=0o700)
        account.own(folder.logs)
    except OSError as error:
        raise FileNotWritten(error.strerror or str(error), path=folder.home) from error
