"""Real file systems that are soon full; only root may mount one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system")

_PAGE = 4096


@contextmanager
def small_disk(size_bytes: int, inodes: int = 0) -> Iterator[Path]:
    """A file system of this size, and of so many inodes, which every account may pass through."""
    place = Path(tempfile.mkdtemp(prefix="agentpg-small-"))
    place.chmod(0o711)
    options = f"size={size_bytes},mode=0711" + (f",nr_inodes={inodes}" if inodes else "")
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)
        place.rmdir()


def fill_up(place: Path, leave: int = 0) -> None:
    """Take the room that a disk has left, but for so many bytes."""
    size = shutil.disk_usage(place).free - leave
    with (place / "ballast").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size)


def room_of(*paths: Path) -> int:
    """The room that files take on such a disk."""
    return sum(-(-path.stat().st_size // _PAGE) * _PAGE for path in paths)
