"""A repository in a local folder.

An object is written under a passing name in `.passing`, brought to the disk, and then gets its
own name, so that nobody ever meets a part of one. Who writes there holds a lock on the file;
what nobody holds was left by a process that was killed, and the next one that writes removes
it. The folders are open to their owner only, since a backup is as secret as the database; the
outermost lets others pass, for the account of a server that archives its WAL below it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from agentpg.desk.backup.storage.passing import Passed
from agentpg.desk.backup.storage.repository import Stored
from agentpg.errors import (
    FileNotWritten,
    ObjectMissing,
    RepositoryError,
    RepositoryFull,
    RepositoryUnavailable,
)

_PASSING = ".passing"
_PIECE = 1024**2
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def open_folder(path: Path) -> Folder:
    """The repository in this folder, which is made when something is first stored in it."""
    return Folder(path.expanduser().absolute())


def repository_error(error: OSError, place: object) -> RepositoryError:
    """What the system says of a place where backups lie, as one of our errors."""
    reason = error.strerror or str(error)
    if error.errno in _NO_ROOM:
        return RepositoryFull(reason, place=place)
    return RepositoryUnavailable(reason, place=place)


class Folder:
    """The objects below one folder; see `Repository`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def place(self) -> str:
        """The folder's path."""
        return str(self.root)

    def folder(self, key: str) -> Path | None:
        """Where the objects below `key` lie; it need not be there."""
        return self._path(key)

    def objects(self, prefix: str) -> Iterator[Stored]:
        """All objects whose key begins so, in the order of their keys; read when asked for."""
        above = prefix.rpartition("/")[0]
        with self._said():
            found = sorted(_files_below(self._path(above) if above else self.root))
            for path in found:
                key = path.relative_to(self.root).as_posix()
                if key.startswith(prefix) and not key.startswith(f"{_PASSING}/"):
                    stored = _stored(key, path)
                    if stored is not None:
                        yield stored

    def put(self, key: str, source: Path, passed: Passed | None = None) -> None:
        """Store a copy of a file."""
        with self._said(), source.open("rb") as read, self._passing() as (file, passing):
            _copy(read, file, passed)
            self._name(file, passing, key)

    def settle(self, key: str) -> None:
        """Bring to the disk what was written in place."""
        path = self._path(key)
        with self._said(key):
            with path.open("rb") as file:
                os.fsync(file.fileno())
            self._sync_folders(path.parent)

    def write(self, key: str, content: bytes) -> None:
        """Store a small object, in the place of one that is there."""
        with self._said(), self._passing() as (file, passing):
            file.write(content)
            self._name(file, passing, key)

    def create(self, key: str, content: bytes) -> bool:
        """Store a small object unless there is one of this key; whether it did."""
        with self._said(), self._passing() as (file, passing):
            file.write(content)
            try:
                self._name(file, passing, key, os.link)
            except FileExistsError:
                return False
        return True

    def read(self, key: str) -> bytes:
        """A small object."""
        with self._said(key):
            return self._path(key).read_bytes()

    @contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        """An object as a stream to read."""
        with self._said(key):
            file = self._path(key).open("rb")
        with file:
            yield file

    def fetch(self, key: str, target: Path, passed: Passed | None = None) -> None:
        """Bring an object to a file that does not exist yet. Raises FileNotWritten too."""
        with self.open(key) as read:
            try:
                with target.open("xb") as file:
                    _copy(read, file, passed)
            except OSError as error:
                raise FileNotWritten(error.strerror or str(error), path=target) from error

    def remove(self, keys: list[str]) -> None:
        """Remove objects, in this order, and the empty folders beside and above them.

        A program that failed may have made folders without a file in them.
        """
        with self._said():
            folders = {self._path(key).parent: None for key in keys}
            for key in keys:
                self._path(key).unlink(missing_ok=True)
            for folder in folders:
                _remove_empty_below(folder)
                self._remove_empty(folder)

    def free_bytes(self) -> int | None:
        """The room that is left for this user."""
        there = next(p for p in (self.root, *self.root.parents) if p.exists())
        with self._said():
            return shutil.disk_usage(there).free

    def _path(self, key: str) -> Path:
        parts = PurePosixPath(key).parts
        if not parts or ".." in parts or key.startswith("/"):
            raise RepositoryUnavailable(f"{key!r} is not a key", place=self.place)
        return self.root.joinpath(*parts)

    @contextmanager
    def _passing(self) -> Iterator[tuple[BinaryIO, Path]]:
        """A new file that nobody takes for an object, and that the next run removes."""
        place = self.root / _PASSING
        self._make_folder(place)
        _sweep(place)
        file, path = _locked_file(place)
        try:
            with file:
                yield file, path
        finally:
            path.unlink(missing_ok=True)

    def _name(
        self,
        file: BinaryIO,
        passing: Path,
        key: str,
        give: Callable[[Path, Path], object] = os.replace,
    ) -> None:
        """Bring a passing file to the disk and give it its own name."""
        target = self._path(key)
        file.flush()
        os.fsync(file.fileno())
        self._make_folder(target.parent)
        give(passing, target)
        self._sync_folders(target.parent)

    def _make_folder(self, folder: Path) -> None:
        if not self.root.is_dir():
            self.root.mkdir(mode=0o711, parents=True, exist_ok=True)
        for part in reversed(folder.relative_to(self.root).parents[:-1]):
            (self.root / part).mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)

    def _sync_folders(self, folder: Path) -> None:
        """Bring the names in a folder to the disk, and those of the folders above it."""
        while True:
            _sync_folder(folder)
            if folder == self.root:
                return
            folder = folder.parent

    def _remove_empty(self, folder: Path) -> None:
        while folder != self.root:
            try:
                folder.rmdir()
            except OSError:
                with suppress(FileNotFoundError):
                    _sync_folder(folder)
                return
            folder = folder.parent

    @contextmanager
    def _said(self, key: str = "") -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            if key:
                raise ObjectMissing(place=self.place, key=key) from None
            raise repository_error(error, self.place) from error
        except OSError as error:
            raise repository_error(error, self.place) from error


def _remove_empty_below(folder: Path) -> None:
    for place, folders, _ in os.walk(folder, topdown=False):
        for name in folders:
            with suppress(OSError):
                Path(place, name).rmdir()


def _files_below(folder: Path) -> Iterator[Path]:
    """Every file below the folder; none where it is not there."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files_below(Path(entry.path))
        else:
            yield Path(entry.path)


def _stored(key: str, path: Path) -> Stored | None:
    """What is known of a file; None where it went in the meantime."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    written = datetime.fromtimestamp(found.st_mtime, UTC)
    return Stored(key=key, size_bytes=found.st_size, written_at=written)


def _locked_file(place: Path) -> tuple[BinaryIO, Path]:
    while True:
        path = place / secrets.token_hex(8)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Before it was locked, another process may have taken it for one that was left.
        if os.fstat(descriptor).st_nlink:
            return os.fdopen(descriptor, "w+b"), path
        os.close(descriptor)


def _sweep(place: Path) -> None:
    """Remove the passing files that no process holds."""
    for entry in os.scandir(place):
        with suppress(OSError), Path(entry.path).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            Path(entry.path).unlink()


def _copy(source: BinaryIO, target: BinaryIO, passed: Passed | None) -> None:
    while piece := source.read(_PIECE):
        target.write(piece)
        if passed is not None:
            passed(len(piece))


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
