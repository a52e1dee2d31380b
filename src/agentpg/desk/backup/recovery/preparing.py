"""A base backup for a drill: recovered to its own moment in the folder of a scratch server.

with ScratchServer(programs, parent, scratch_options(backup)) as scratch:
    prepare_base(scratch, backup, repository, seal, programs)
    scratch.start()
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from agentpg.desk.backup.making.base import COPY, DATA
from agentpg.desk.backup.making.copies import BACKUP_MANIFEST, verify_copy
from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.programs import Programs
from agentpg.desk.backup.recovery.recovering import Recovered, prepare_recovery, recover
from agentpg.desk.backup.recovery.targets import Copy, Target
from agentpg.desk.backup.recovery.unpacking import Opener, Place
from agentpg.desk.backup.scratch import ScratchOptions, ScratchServer
from agentpg.desk.backup.storage.reading import opener_of
from agentpg.desk.backup.storage.repository import SEALED, Repository
from agentpg.desk.backup.storage.sealing import Seal
from agentpg.embedded.binaries import Binaries

_LIST = f"{DATA}/{COPY}/{BACKUP_MANIFEST}"


def scratch_options(backup: Backup, *, gently: bool = True) -> ScratchOptions:
    """What a scratch server must be for a base backup: its superuser, its room, its limits."""
    copy = Copy.of(backup)
    prepared = copy.floors.get("max_prepared_transactions", "0")
    return ScratchOptions(
        content_bytes=copy.cluster_bytes,
        superuser=copy.superuser,
        gently=gently,
        settings={"max_prepared_transactions": prepared},
    )


def prepare_base(
    scratch: ScratchServer,
    backup: Backup,
    repository: Repository,
    seal: Seal | None,
    programs: Programs,
) -> Recovered:
    """Unpack the cluster into the scratch folder, compare each file with what the source sent,
    and recover it to the backup's moment. `programs` have the server's own and pg_verifybackup.

    Raises CopyDamaged, ToolFailed where a file is not what it was, and RecoveryFailed.
    """
    opener = opener_of(repository, backup, seal, scratch.folder)
    spaces = Copy.of(backup).tablespaces
    place = Place(
        folder=scratch.data,
        account=scratch.account,
        tablespaces={old: scratch.folder / f"tablespace-{n}" for n, old in spaces.items()},
        stays=True,
    )
    prepared = prepare_recovery(backup, repository, Target(by="backup"), place, opener)
    with tempfile.TemporaryDirectory(dir=scratch.folder) as near:
        verify_copy(programs, scratch.data, _list_of(backup, opener, Path(near)))
    binaries = Binaries(programs.folder, programs.version)
    recovered = recover(prepared, binaries, scratch.folder / "recovery.log")
    # What the source has set, a port for example, is not for a scratch server.
    (scratch.data / "postgresql.auto.conf").write_text("", encoding="utf-8")
    return recovered


def _list_of(backup: Backup, opener: Opener, near: Path) -> Path:
    """pg_basebackup's list of files, as a plain file."""
    [path] = [one.path for one in backup.files if one.path.removesuffix(SEALED) == _LIST]
    target = near / BACKUP_MANIFEST
    with opener(path) as stream:
        target.write_bytes(stream.read())
    return target
