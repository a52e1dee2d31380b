"""Reading the files of a backup as they were before they were sealed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.recovery.unpacking import Opener
from agentpg.desk.backup.storage.records import key_of
from agentpg.desk.backup.storage.repository import SEALED, Repository
from agentpg.desk.backup.storage.sealing import Seal


def opener_of(repository: Repository, backup: Backup, seal: Seal | None, near: Path) -> Opener:
    """What opens a file of the backup by its path; sealed ones are opened in the folder `near`."""

    @contextmanager
    def opened(path: str) -> Iterator[BinaryIO]:
        with repository.open(key_of(backup.name, *path.split("/"))) as stored:
            if seal is None or not path.endswith(SEALED):
                yield stored
                return
            with tempfile.TemporaryDirectory(dir=near) as place:
                plain = Path(place, "plain")
                seal.unseal_to(stored, plain, name=path)
                with plain.open("rb") as stream:
                    yield stream

    return opened
