"""Bringing the files of a backup near: those in a local folder stay where they are.

Sealed ones are opened, distant ones fetched, into a folder that the caller holds.
"""

from __future__ import annotations

import gzip
import os
import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path

from agentpg.desk.backup.making.plain import COMPRESSED
from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.storage.passing import Passed, Passing, Reached
from agentpg.desk.backup.storage.records import key_of
from agentpg.desk.backup.storage.repository import (
    DATABASE,
    GLOBALS,
    KEY,
    MANIFEST,
    SEALED,
    Repository,
)
from agentpg.desk.backup.storage.sealing import Seal
from agentpg.errors import CopyDamaged, FileNotWritten, ObjectMissing

DATA = "data"


@dataclass(frozen=True, slots=True)
class Brought:
    """A backup's files as plain files: `folder` has them, `work` is for what is made of them."""

    folder: Path
    work: Path

    @property
    def dump(self) -> Path:
        """The directory that pg_restore reads."""
        return self.folder / DATA

    @property
    def globals(self) -> Path | None:
        """The roles of the source, where the backup has them."""
        path = self.folder / GLOBALS
        return path if path.is_file() else None

    @property
    def database(self) -> Path | None:
        """What makes the database itself, where that is no part of the dump."""
        path = self.folder / DATABASE
        return path if path.is_file() else None

    @property
    def manifest(self) -> Path | None:
        """What the source held, where the backup says so."""
        path = self.folder / MANIFEST
        return path if path.is_file() else None

    def script(self) -> Path:
        """The one file of a backup of kind sql, as psql reads it; unpacked when first asked for.

        Raises CopyDamaged and FileNotWritten.
        """
        [path] = sorted((self.folder / DATA).iterdir())
        if path.suffix != COMPRESSED:
            return path
        plain = self.work / path.stem
        if plain.exists():
            return plain
        try:
            # Others pass through the folder, and see the path where a program is given it.
            descriptor = os.open(plain, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with gzip.open(path) as read, os.fdopen(descriptor, "wb") as write:
                shutil.copyfileobj(read, write, 1024**2)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            plain.unlink()
            raise CopyDamaged(str(error), path=path.name) from None
        except OSError as error:
            plain.unlink(missing_ok=True)
            raise FileNotWritten(error.strerror or str(error), path=plain) from error
        return plain


def bring(
    backup: Backup,
    repository: Repository,
    seal: Seal | None,
    work: Path,
    reached: Reached | None = None,
) -> Brought:
    """Bring the files of one backup to where programs can read them; `reached` is told how far.

    Raises RepositoryError, SealError and FileNotWritten.
    """
    place = repository.folder(key_of(backup.name))
    if place is not None and seal is None:
        return Brought(place, work)
    near = work / "backup"
    near.mkdir(mode=0o700)
    passing = Passing(backup.size_bytes, 1, reached)
    for file in backup.files:
        if file.path == KEY:
            # It opens the others, and only the passphrase opens it.
            continue
        target = near / file.path.removesuffix(SEALED)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _bring_one(repository, key_of(backup.name, file.path), target, seal, passing)
    passing.ended()
    return Brought(near, work)


def bring_manifest(
    backup: Backup, repository: Repository, seal: Seal | None, work: Path
) -> Brought:
    """Bring the manifest alone, where there is one."""
    near = work / "backup"
    near.mkdir(mode=0o700)
    for file in backup.files:
        if file.path.removesuffix(SEALED) == MANIFEST:
            _bring_one(repository, key_of(backup.name, file.path), near / MANIFEST, seal)
    return Brought(near, work)


def _bring_one(
    repository: Repository,
    key: str,
    target: Path,
    seal: Seal | None,
    passed: Passed | None = None,
) -> None:
    if seal is None or not key.endswith(SEALED):
        repository.fetch(key, target, passed)
        return
    try:
        with repository.open(key) as stream:
            seal.unseal_to(stream, target, name=key, passed=passed)
    except FileNotFoundError:
        raise ObjectMissing(place=repository.place, key=key) from None
