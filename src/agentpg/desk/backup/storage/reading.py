"""Reading the files of a backup as they were before they were sealed, and as they were recorded."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from agentpg.desk.backup.model import Backup, StoredFile
from agentpg.desk.backup.recovery.unpacking import Opener
from agentpg.desk.backup.storage.records import key_of
from agentpg.desk.backup.storage.repository import SEALED, Repository
from agentpg.desk.backup.storage.sealing import Seal
from agentpg.errors import CopyDamaged
from agentpg.language import N_

_PIECE = 1024**2
_OTHER = N_("its checksum is not the one that was recorded")


def opener_of(repository: Repository, backup: Backup, seal: Seal | None, near: Path) -> Opener:
    """What opens a file of the backup by its path; sealed ones are opened in the folder `near`.

    At the end of its use it raises CopyDamaged where the file is not the one that was recorded.
    """
    recorded = {file.path: file for file in backup.files}

    @contextmanager
    def opened(path: str) -> Iterator[BinaryIO]:
        with (
            repository.open(key_of(backup.name, *path.split("/"))) as stored,
            _as_recorded(stored, recorded[path]) as content,
        ):
            if seal is None or not path.endswith(SEALED):
                yield content
                return
            with tempfile.TemporaryDirectory(dir=near) as place:
                plain = Path(place, "plain")
                seal.unseal_to(content, plain, name=path)
                with plain.open("rb") as stream:
                    yield stream

    return opened


@contextmanager
def _as_recorded(stored: BinaryIO, file: StoredFile) -> Iterator[BinaryIO]:
    """A stream whose checksum is compared when it was used, without reading it twice."""
    hashing = _Hashing(stored)
    content = io.BufferedReader(hashing, _PIECE)
    yield cast("BinaryIO", content)
    while content.read(_PIECE):
        pass
    if hashing.digest.hexdigest() != file.sha256:
        raise CopyDamaged(_OTHER, path=file.path)


class _Hashing(io.RawIOBase):
    """Reads a stream, and takes the checksum of what it reads."""

    def __init__(self, stored: BinaryIO) -> None:
        self._stored = stored
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, into: Any, /) -> int:
        """Read what comes next."""
        piece = self._stored.read(len(into))
        into[: len(piece)] = piece
        self.digest.update(piece)
        return len(piece)
