"""Unpacking a tar archive into a folder, and nowhere else, whatever its names say.

Python's own filter for that came with 3.11.4; Debian 12 has 3.11.2.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

# Nothing that is unpacked can be written by others, nor takes on the rights of its owner.
_MODE = 0o755


def untar(archive: tarfile.TarFile, target: Path) -> None:
    """Unpack all of it below `target`. Raises tarfile.TarError for a name that leads elsewhere."""
    if hasattr(tarfile, "tar_filter"):
        archive.extractall(target, filter="tar")
    else:
        archive.extractall(target, members=_within(archive, target))  # noqa: S202 - each is looked at


def _within(archive: tarfile.TarFile, target: Path) -> Iterator[tarfile.TarInfo]:
    root = os.path.realpath(target)
    for member in archive:
        # What was unpacked before it may be a link.
        place = os.path.realpath(os.path.join(root, member.name))  # noqa: PTH118 - as written
        if os.path.commonpath((root, place)) != root:
            raise tarfile.ExtractError(f"{member.name!r} would be unpacked outside the destination")
        member.mode &= _MODE
        yield member
