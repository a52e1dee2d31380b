"""A backup of pgBackRest becomes a data folder that has recovered to its point.

The point was named after the copy had ended, in the timeline in which it was made; both are
said, since a later timeline of the archive would else be taken.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.pgbackrest_stanza import find_stanza, require_known
from agentpg.desk.backup.recovery_server import run_until_recovered
from agentpg.desk.backup.repository import Repository
from agentpg.desk.backup.unpacking import Place, forget_recovery
from agentpg.embedded.account import Account
from agentpg.embedded.binaries import Binaries
from agentpg.errors import FileNotWritten, PgbackrestBackupGone, PointNotReached

_STOPPED = "recovery stopping at restore point"
_GRAVE = re.compile(r"(?:FATAL|PANIC|ERROR): +(.*)")


def prepare_pgbackrest(
    backup: Backup, repository: Repository, folder: Path, jobs: int = 2
) -> Account:
    """Restore into `folder`, which is not there yet, with the recovery to its point prepared.

    Whose it is then: that of pgBackRest's own files, who alone can read the WAL. Nothing is
    started. What was made is removed where it fails. Raises PgbackrestBackupGone, ToolFailed.
    """
    stanza = find_stanza(repository, backup.source.system_identifier)
    require_known(stanza.version, backup.source.server_version // 10_000)
    details = backup.details
    if all(one.label != details["label"] for one in stanza.kept()):
        raise PgbackrestBackupGone(label=details["label"], name=backup.name)
    try:
        folder.mkdir(mode=0o700)
        stanza.account.own(folder)
        stanza.run(
            "restore",
            f"--pg1-path={folder}",
            f"--set={details['label']}",
            "--type=name",
            f"--target={details['mark']}",
            f"--target-timeline={details['timeline']}",
            "--target-action=promote",
            # Else the server says that it is ready as soon as it can be read.
            "--recovery-option=hot_standby=off",
            "--archive-mode=off",
            f"--process-max={jobs}",
            f"--tablespace-map-all={folder}.tablespaces",
        )
    except BaseException as error:
        _remove(folder)
        if isinstance(error, OSError):
            raise FileNotWritten(error.strerror or str(error), path=folder) from error
        raise
    return stanza.account


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


def _remove(folder: Path) -> None:
    for one in (folder, folder.with_name(f"{folder.name}.tablespaces")):
        shutil.rmtree(one, ignore_errors=True)
