"""Large files beside the database's own: dumps that nobody has put away, logs, core files.

Looked for on a file system that is nearly full, from its top, for at most three seconds and a
hundred thousand files: what lies deep may be missed, and then that is said.
"""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Collection, Iterator
from datetime import timedelta
from pathlib import Path

from agentpg.desk.doctor.disk.facts import OtherFile, OtherFiles

_MOST_FILES = 100_000
_PATIENCE = timedelta(seconds=3)

# Smaller ones fill no disk by themselves.
_LEAST_BYTES = 16 * 1024**2
_MOST_NAMED = 10

_PACKED = r"(?:\.(?:gz|xz|zst|bz2|lz4))?"
_LEFT = re.compile(
    rf".+\.(?:sql|dump|pgdump|backup|bak){_PACKED}"
    rf"|.*(?:backup|dump).*\.(?:tar|tgz){_PACKED}"
    rf"|.+\.log(?:[.-]\d+)*{_PACKED}"
    r"|core(?:\.\d+)?",
    re.IGNORECASE,
)


def large_files(mount: Path, device: int, ours: Collection[Path]) -> OtherFiles:
    """The large files of a file system outside these folders, the largest first.

    Raises OSError where the mount point itself can't be looked at.
    """
    os.scandir(mount).close()
    found: list[OtherFile] = []
    seen = 0
    deadline = time.monotonic() + _PATIENCE.total_seconds()
    closed: list[str] = []
    for entry, there in _below(mount, device, {str(folder) for folder in ours}, closed):
        seen += 1
        taken = there.st_blocks * 512
        if taken >= _LEAST_BYTES:
            left = _LEFT.fullmatch(entry.name) is not None
            found.append(OtherFile(path=entry.path, size_bytes=taken, device=device, left=left))
        if seen >= _MOST_FILES or time.monotonic() > deadline:
            break
    found.sort(key=lambda file: (not file.left, -file.size_bytes))
    whole = not closed and seen < _MOST_FILES and time.monotonic() <= deadline
    return OtherFiles(files=tuple(found[:_MOST_NAMED]), whole=whole)


def _below(
    mount: Path, device: int, ours: Collection[str], closed: list[str]
) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
    """Every file, those nearest to the top first; folders that can't be read are told in
    `closed`."""
    ahead = deque([str(mount)])
    while ahead:
        folder = ahead.popleft()
        try:
            entries = list(os.scandir(folder))
        except FileNotFoundError:
            continue
        except OSError:
            closed.append(folder)
            continue
        for entry in entries:
            try:
                there = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if there.st_dev != device or entry.path in ours:
                continue
            if entry.is_dir(follow_symlinks=False):
                ahead.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                yield entry, there
