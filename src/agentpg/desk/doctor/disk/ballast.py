"""The ballast: a file that takes room on a good day, so that there is some on a bad one.

    home/disk-ballast.json    where each lies, how large it is, when it was made

It lies beside the data folder where that is on the same file system, and else in it, under a
name that base backups leave out.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from agentpg.desk.check import size
from agentpg.desk.doctor.disk.facts import Ballast, Volume
from agentpg.desk.files import replace_file
from agentpg.errors import BallastThere, BallastTooLarge, FileNotWritten

_RECORD = "disk-ballast.json"
_NAME = "agentpg-ballast"

# Nothing with this prefix goes into a base backup, and the server removes it in base/ only.
_INSIDE = "pgsql_tmp.agentpg-ballast"


def read_ballasts(home: Path) -> tuple[Ballast, ...]:
    """Those that were made and are there still."""
    found = (_as_it_is(one) for one in _recorded(home))
    return tuple(one for one in found if one is not None)


def ballast_path(folder: Path) -> Path:
    """Where a ballast for the file system of this folder of the server's lies."""
    beside = folder.parent
    same = beside.stat().st_dev == folder.stat().st_dev
    if same and os.access(beside, os.W_OK):
        return beside / _NAME
    return folder / _INSIDE


def make_ballast(
    home: Path, folder: Path, volume: Volume, size_bytes: int, leaves: float
) -> Ballast:
    """Take this much room on the folder's file system, and remember where.

    Raises BallastTooLarge where less than the share `leaves` of it would be free then,
    BallastThere, and FileNotWritten.
    """
    if volume.free_bytes - size_bytes < leaves * volume.size_bytes:
        raise BallastTooLarge(
            size=size(size_bytes),
            mount=volume.mount,
            free=size(volume.free_bytes),
            percent=round(leaves * 100),
        )
    path = ballast_path(folder)
    if path.exists() or path.is_symlink():
        raise BallastThere(path=path)
    _allocate(path, size_bytes)
    made = Ballast(
        path=path, size_bytes=size_bytes, made_at=datetime.now(UTC), device=path.stat().st_dev
    )
    try:
        _record(home, [*read_ballasts(home), made])
    except FileNotWritten:
        path.unlink()
        raise
    return made


def release_ballast(home: Path, ballast: Ballast) -> None:
    """Give its room back. Raises FileNotWritten where it can't be removed."""
    try:
        ballast.path.unlink()
    except OSError as error:
        raise FileNotWritten(error.strerror or str(error), path=ballast.path) from error
    # Now there is room for the record.
    _record(home, [one for one in read_ballasts(home) if one.path != ballast.path])


def _allocate(path: Path, size_bytes: int) -> None:
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size_bytes)
            os.fsync(descriptor)
        except OSError:
            path.unlink()
            raise
        finally:
            os.close(descriptor)
    except OSError as error:
        raise FileNotWritten(error.strerror or str(error), path=path) from error


def _as_it_is(ballast: Ballast) -> Ballast | None:
    """With the number that its file system has now; None unless it is what was made: a file
    of this size, and no link in its place."""
    try:
        there = ballast.path.lstat()
    except OSError:
        return None
    if not stat.S_ISREG(there.st_mode) or there.st_size != ballast.size_bytes:
        return None
    return replace(ballast, device=there.st_dev)


def _record(home: Path, ballasts: Sequence[Ballast]) -> None:
    said = [
        {
            "path": str(one.path),
            "size_bytes": one.size_bytes,
            "made_at": one.made_at.isoformat(),
        }
        for one in ballasts
    ]
    replace_file(home / _RECORD, json.dumps({"ballasts": said}, indent=2) + "\n")


def _recorded(home: Path) -> list[Ballast]:
    try:
        said = json.loads((home / _RECORD).read_text(encoding="utf-8"))
        return [
            Ballast(
                path=Path(one["path"]),
                size_bytes=int(one["size_bytes"]),
                made_at=datetime.fromisoformat(one["made_at"]),
                device=0,
            )
            for one in said["ballasts"]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []
