"""Folders that a process holds for as long as it works in them.

It holds them by a lock that goes with the process, however that ends. So a folder that nobody
holds was left by one that was killed, and may be removed.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold a folder for as long as this lasts.

    Raises BlockingIOError where another process holds it, and OSError where it can't be opened.
    """
    descriptor = _lock(folder)
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def make_held(parent: Path, prefix: str) -> Iterator[Path]:
    """Make a folder of a new name below `parent`, and hold it; it is left there. Raises OSError."""
    folder, descriptor = _made(parent, prefix)
    try:
        yield folder
    finally:
        os.close(descriptor)


def _made(parent: Path, prefix: str) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        # Before it is locked, another process may take it for one that was left.
        with suppress(FileNotFoundError, BlockingIOError):
            descriptor = _lock(folder)
            if folder.is_dir():
                return folder, descriptor
            os.close(descriptor)


def _lock(folder: Path) -> int:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
