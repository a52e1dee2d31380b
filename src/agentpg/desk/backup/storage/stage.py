"""Where the files of one backup are made, and how they come into the repository.

Made, sealed, stored: a kind writes plain files into `folder`; then `store` takes each through
the seal, where there is one, and puts it into the repository. Where nothing is sealed and the
repository is a local folder, the files are made in their place and only brought to the disk.

A stage elsewhere is a folder below `stages`, on which the process that uses it holds a lock;
what nobody holds was left by a process that was killed, and the next one removes it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from agentpg.desk.backup.held import hold, make_held
from agentpg.desk.backup.model import StoredFile
from agentpg.desk.backup.storage.folder import repository_error
from agentpg.desk.backup.storage.passing import Passed, Passing, Reached
from agentpg.desk.backup.storage.records import key_of
from agentpg.desk.backup.storage.repository import BEGUN, KEY, SEALED, Repository
from agentpg.errors import AgentpgError, FileNotWritten

_HASHERS = 2
_PIECE = 1024**2


def _untold(size: int) -> None:
    """Nobody wants to know."""
    del size


class Sealing(Protocol):
    """What seals files for the repository."""

    @property
    def recipients(self) -> tuple[str, ...]:
        """The public keys that it seals for."""
        ...

    @property
    def key_file(self) -> bytes:
        """What is to lie beside the sealed files, unless it is empty."""
        ...

    def seal(self, source: Path, target: Path, passed: Passed | None = None) -> object:
        """Write the sealed form of `source` to `target`; `passed` hears what has been read."""
        ...


@dataclass(frozen=True, slots=True)
class Stage:
    """The folder for the files of one backup; `in_place` if it is that of the repository."""

    repository: Repository
    name: str
    folder: Path
    seal: Sealing | None
    in_place: bool

    def size_bytes(self) -> int:
        """What has been written so far."""
        return sum(_size(path) for path in self._paths())

    def error(self, error: OSError) -> AgentpgError:
        """What the system says of this stage, as one of our errors."""
        if self.in_place:
            return repository_error(error, self.repository.place)
        return FileNotWritten(error.strerror or str(error), path=self.folder)

    def clear(self) -> None:
        """Remove all that was made, for another try."""
        for entry in self.folder.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != BEGUN:
                entry.unlink()

    def store(self, reached: Reached | None = None) -> tuple[StoredFile, ...]:
        """Bring every file into the repository, durably; what lies there then.

        `reached` is told how many bytes of the plain files have been brought there.
        """
        paths = self._paths()
        times = 1 + (self.seal is not None) + (not self.in_place)
        passing = Passing(sum(map(_size, paths)), times, reached)
        with ThreadPoolExecutor(_HASHERS) as pool:
            files = list(pool.map(partial(self._store_one, passing), paths))
        passing.ended()
        return tuple(files + self._store_key_file())

    def _store_key_file(self) -> list[StoredFile]:
        content = self.seal.key_file if self.seal else b""
        if not content:
            return []
        self.repository.write(key_of(self.name, KEY), content)
        digest = hashlib.sha256(content).hexdigest()
        return [StoredFile(path=KEY, size_bytes=len(content), sha256=digest)]

    def _store_one(self, passed: Passed, path: Path) -> StoredFile:
        name = path.relative_to(self.folder).as_posix()
        if self.seal is not None:
            path, name = self._sealed(path, self.seal, passed), f"{name}{SEALED}"
        digest = sha256_of(path, passed)
        file = StoredFile(path=name, size_bytes=path.stat().st_size, sha256=digest)
        key = key_of(self.name, *name.split("/"))
        if self.in_place:
            self.repository.settle(key)
        else:
            self.repository.put(key, path, passed)
            path.unlink()
        return file

    def _sealed(self, path: Path, seal: Sealing, passed: Passed) -> Path:
        sealed = path.with_name(f"{path.name}{SEALED}")
        seal.seal(path, sealed, passed)
        path.unlink()
        return sealed

    def _paths(self) -> list[Path]:
        files = (Path(place, name) for place, _, names in os.walk(self.folder) for name in names)
        return sorted(path for path in files if path != self.folder / BEGUN)


@contextmanager
def open_stage(
    repository: Repository, name: str, stages: Path, seal: Sealing | None
) -> Iterator[Stage]:
    """A stage for the backup `name`; one that is not in place is removed at the end."""
    place = None if seal else repository.folder(key_of(name))
    if place is not None:
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise repository_error(error, repository.place) from error
        yield Stage(repository, name, place, None, in_place=True)
        return
    with _own_folder(stages, name) as folder:
        yield Stage(repository, name, folder, seal, in_place=False)


def sha256_of(path: Path, passed: Passed = _untold) -> str:
    """The SHA-256 of a file, in hexadecimal digits; `passed` hears what has been read."""
    digest = hashlib.sha256()
    piece = memoryview(bytearray(_PIECE))
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(piece):
            digest.update(piece[:size])
            passed(size)
    return digest.hexdigest()


def remove_left_stages(stages: Path) -> list[str]:
    """Remove the stages that no process holds; the names that they had."""
    if not stages.is_dir():
        return []
    left = []
    for folder in stages.iterdir():
        with suppress(OSError), hold(folder):
            shutil.rmtree(folder, ignore_errors=True)
            left.append(folder.name)
    return left


@contextmanager
def _own_folder(stages: Path, name: str) -> Iterator[Path]:
    with ExitStack() as held:
        with _said(stages):
            stages.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder = held.enter_context(make_held(stages, f"{name}."))
        held.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder


@contextmanager
def _said(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileNotWritten(error.strerror or str(error), path=path) from error


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
