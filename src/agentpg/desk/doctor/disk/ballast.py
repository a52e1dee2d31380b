"""The ballast: a file that takes room on a good day, so that there is some on a bad one.

    home/disk-ballast.json    where each lies, how large it is, when it was made

It lies beside the data folder where that is on the same file system, and else in it, under a
name that base backups leave out.
"""

from __future__ import annotations

import errno
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
from agentpg.language import N_

_RECORD = "disk-ballast.json"
_NAME = "agentpg-ballast"

# Nothing with this prefix goes into a base backup, and the server removes it in base/ only.
_INSIDE = "pgsql_tmp.agentpg-ballast"


def read_ballasts(home: Path, data: Path | None) -> tuple[Ballast, ...]:
    """Those that were made for this data folder and are there still.

    The record is in a folder that others may write: what it names is believed only where a
    ballast of this data folder lies, and of a file that is as one of ours.
    """
    if data is None:
        return ()
    try:
        recorded = _recorded(home)
    except FileNotWritten:
        return ()
    found = (_as_it_is(one, data) for one in recorded if _is_place(one.path, data))
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
    others = _recorded(home)
    _allocate(path, size_bytes)
    made = Ballast(
        path=path, size_bytes=size_bytes, made_at=datetime.now(UTC), device=path.stat().st_dev
    )
    try:
        _record(home, [*(one for one in others if one.path != path), made])
    except FileNotWritten:
        path.unlink()
        raise
    return made


def release_ballast(home: Path, data: Path, ballast: Ballast) -> bool:
    """Give its room back; False where it is not there any more. Raises FileNotWritten where it
    can't be removed."""
    others = [one for one in _recorded(home) if one.path != ballast.path]
    try:
        # By the folder itself: what its name means may be changed by others.
        folder = os.open(ballast.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            there = os.stat(ballast.path.name, dir_fd=folder, follow_symlinks=False)
            if not _is_ours(there, ballast, data):
                return False
            os.unlink(ballast.path.name, dir_fd=folder)
        finally:
            os.close(folder)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise FileNotWritten(error.strerror or str(error), path=ballast.path) from error
    # Now there is room for the record.
    _record(home, others)
    return True


def _allocate(path: Path, size_bytes: int) -> None:
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size_bytes)
            os.fsync(descriptor)
            _require_blocks(descriptor, size_bytes)
        except OSError:
            path.unlink()
            raise
        finally:
            os.close(descriptor)
    except OSError as error:
        raise FileNotWritten(error.strerror or str(error), path=path) from error


def _require_blocks(descriptor: int, size_bytes: int) -> None:
    """A file system that packs what it is given keeps no blocks for empty ones."""
    if _taken(os.fstat(descriptor)) < size_bytes:
        raise OSError(errno.ENOTSUP, N_("this file system keeps no room for a file"))


def _as_it_is(ballast: Ballast, data: Path) -> Ballast | None:
    """With the number that its file system has now; None unless it is what was made."""
    try:
        there = ballast.path.lstat()
        return replace(ballast, device=there.st_dev) if _is_ours(there, ballast, data) else None
    except OSError:
        return None


def _is_place(path: Path, data: Path) -> bool:
    """Whether a ballast of this data folder may lie there."""
    inside = Path(os.path.realpath(data))
    there = Path(os.path.realpath(path.parent)) / path.name
    return there in (inside.parent / _NAME, inside / _INSIDE)


def _is_ours(there: os.stat_result, ballast: Ballast, data: Path) -> bool:
    """Whether a file is as it was made: of this size, with all its room, under one name, and of
    an account that may have made it."""
    makers = (0, os.geteuid(), data.stat().st_uid)
    return (
        stat.S_ISREG(there.st_mode)
        and there.st_size == ballast.size_bytes
        and _taken(there) >= ballast.size_bytes
        and there.st_nlink == 1
        and there.st_uid in makers
    )


def _taken(there: os.stat_result) -> int:
    return there.st_blocks * 512


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
    """All that were made. Raises FileNotWritten where the record can't be read: it is then not
    to be written anew either."""
    path = home / _RECORD
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return [
            Ballast(
                path=Path(one["path"]),
                size_bytes=int(one["size_bytes"]),
                made_at=datetime.fromisoformat(one["made_at"]),
                device=0,
            )
            for one in said["ballasts"]
        ]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise FileNotWritten(error.strerror or str(error), path=path) from error
    except (ValueError, KeyError, TypeError) as error:
        raise FileNotWritten(N_("it is there and can't be read"), path=path) from error
