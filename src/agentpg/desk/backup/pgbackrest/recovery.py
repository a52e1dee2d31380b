"""A backup of pgBackRest becomes a data folder that has recovered to its point.

The point was named after the copy had ended, in the timeline in which it was made; both are
said, since a later timeline of the archive would else be taken.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.pgbackrest.stanza import (
    CLOSED,
    Stanza,
    find_stanza,
    require_known,
)
from agentpg.desk.backup.programs import Programs
from agentpg.desk.backup.proof.blame import pgbackrest_without_room
from agentpg.desk.backup.recovery.recovery_server import run_until_recovered
from agentpg.desk.backup.recovery.unpacking import Place, forget_recovery
from agentpg.desk.backup.scratch import ScratchOptions, ScratchServer
from agentpg.desk.backup.storage.repository import Repository
from agentpg.embedded.account import Account
from agentpg.embedded.binaries import Binaries
from agentpg.errors import (
    AgentpgError,
    FileNotWritten,
    PgbackrestBackupGone,
    PgbackrestOutOfReach,
    PointNotReached,
    RecoveryDiskFull,
    ToolFailed,
)

_STOPPED = "recovery stopping at restore point"
_GRAVE = re.compile(r"(?:FATAL|PANIC|ERROR): +(.*)")


def pgbackrest_options(backup: Backup, *, gently: bool = True) -> ScratchOptions:
    """What a scratch server must be for it: its superuser, its room, its limits."""
    prepared = str(backup.details["floors"].get("max_prepared_transactions", "0"))
    return ScratchOptions(
        content_bytes=int(backup.details["cluster_bytes"]),
        superuser=str(backup.details["superuser"]),
        gently=gently,
        settings={"max_prepared_transactions": prepared},
    )


def recover_into_scratch(
    scratch: ScratchServer, backup: Backup, repository: Repository, programs: Programs, jobs: int
) -> None:
    """Recover it to its point in the folder of a scratch server, which is not started yet.

    Raises PgbackrestBackupGone, PgbackrestOutOfReach, PointNotReached, RecoveryFailed, ToolFailed.
    """
    # pgBackRest goes there by the folder's name, as the account that reads its repository.
    scratch.folder.chmod(0o711)
    account = prepare_pgbackrest(backup, repository, scratch.data, jobs)
    binaries = Binaries(programs.folder, programs.version)
    log = scratch.folder / "recovery.log"
    recover_pgbackrest(backup, scratch.data, account, binaries, log)
    # What the source has set, a port for example, is not for a scratch server.
    (scratch.data / "postgresql.auto.conf").write_text("", encoding="utf-8")
    scratch.account.own_tree(scratch.data)


def prepare_pgbackrest(
    backup: Backup, repository: Repository, folder: Path, jobs: int = 2
) -> Account:
    """Restore into `folder`, which is not there yet, with the recovery to its point prepared.

    Whose it is then: that of pgBackRest's own files, who alone can read the WAL. Nothing is
    started. What was made is removed where it fails. Raises PgbackrestBackupGone, ToolFailed.
    """
    details = backup.details
    to_its_point = (
        "--type=name",
        f"--target={details['mark']}",
        f"--target-timeline={details['timeline']}",
        "--target-action=promote",
        # Else the server says that it is ready as soon as it can be read.
        "--recovery-option=hot_standby=off",
        "--archive-mode=off",
    )
    spaces = folder.with_name(f"{folder.name}.tablespaces")
    return restore_files(backup, repository, folder, jobs, spaces, *to_its_point).account


def restore_files(
    backup: Backup, repository: Repository, folder: Path, jobs: int, tablespaces: Path, *how: str
) -> Stanza:
    """Restore the files of a backup into `folder`, with all tablespaces in another one.

    Raises PgbackrestBackupGone, PgbackrestOutOfReach, ToolFailed, RecoveryDiskFull and
    FileNotWritten.
    """
    stanza = find_stanza(repository, backup.source.system_identifier)
    require_known(stanza.version, backup.source.server_version // 10_000)
    details = backup.details
    if not stanza.account.can_enter(folder.parent):
        raise PgbackrestOutOfReach(CLOSED.format(folder=folder.parent))
    if all(one.label != details["label"] for one in stanza.kept()):
        raise PgbackrestBackupGone(label=details["label"], name=backup.name)
    try:
        folder.mkdir(mode=0o700)
        stanza.account.own(folder)
        stanza.run(
            "restore",
            f"--pg1-path={folder}",
            f"--set={details['label']}",
            *how,
            f"--process-max={jobs}",
            f"--tablespace-map-all={tablespaces}",
        )
    except BaseException as error:
        # That looks at the disk, so it comes before what was made is removed.
        said = _in_our_words(error, folder)
        for one in (folder, tablespaces):
            shutil.rmtree(one, ignore_errors=True)
        if said is not None:
            raise said from error
        raise
    return stanza


def _in_our_words(error: BaseException, folder: Path) -> AgentpgError | None:
    if isinstance(error, OSError):
        return FileNotWritten(error.strerror or str(error), path=folder)
    full = isinstance(error, ToolFailed) and pgbackrest_without_room(error, folder.parent)
    return RecoveryDiskFull(full, folder=folder.parent) if full else None


def recover_pgbackrest(
    backup: Backup, folder: Path, account: Account, binaries: Binaries, log: Path
) -> None:
    """Let a server recover the folder to the point, and stop it. Raises PointNotReached."""
    place = Place(folder=folder, account=account)
    floors = {str(name): str(value) for name, value in backup.details["floors"].items()}
    said = run_until_recovered(place, binaries, floors, log)
    mark = str(backup.details["mark"])
    if f'{_STOPPED} "{mark}"' not in said:
        reason = "; ".join(_GRAVE.findall(said)[-2:]) or said.strip().rpartition("\n")[2]
        raise PointNotReached(reason, name=backup.name, mark=mark)
    forget_recovery(folder, account)
