"""The file systems of this machine, and the folders of ours and the server's on them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from agentpg.desk.doctor.disk.facts import Place, Volume

_SERVERS = ("data", "wal", "tablespace")


def place_at(role: str, folder: Path) -> Place:
    """A folder that is there, or one of ours that will be: then the file system is that of what is
    above. One of the server's that is not there is behind a link that leads nowhere.

    Raises OSError where it may not be looked at.
    """
    if role in _SERVERS:
        return Place(role=role, folder=folder, device=folder.stat().st_dev)
    there = next(one for one in (folder, *folder.parents) if one.exists())
    return Place(role=role, folder=folder, device=there.stat().st_dev)


def volumes_of(places: Sequence[Place]) -> tuple[Volume, ...]:
    """The file systems on which they lie, in the order of the places."""
    devices = dict.fromkeys(place.device for place in places)
    return tuple(
        _volume(device, [place for place in places if place.device == device]) for device in devices
    )


def free_bytes(folder: Path) -> int:
    """What the server's account may still take on the folder's file system."""
    said = os.statvfs(folder)
    return said.f_bavail * said.f_frsize


def files_below(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Every file below a folder, of its own file system; what goes meanwhile is left out."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from files_below(Path(entry.path))
        else:
            yield entry


def taken_by(entries: Iterable[os.DirEntry[str]]) -> int:
    """The room that files take, by their blocks: one with holes takes less than its size."""
    taken = 0
    for entry in entries:
        try:
            taken += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError:
            continue
    return taken


def mount_of(folder: Path) -> str:
    """Where the folder's file system is mounted."""
    there = next(one for one in (folder, *folder.parents) if one.exists()).resolve()
    device = there.stat().st_dev
    with suppress(PermissionError):
        while there != there.parent and there.parent.stat().st_dev == device:
            there = there.parent
    return str(there)


def _volume(device: int, places: Sequence[Place]) -> Volume:
    folder = next(one for one in (places[0].folder, *places[0].folder.parents) if one.exists())
    said = os.statvfs(folder)
    free = said.f_bavail * said.f_frsize
    # Blocks that are kept for root are neither free nor used, as `df` counts.
    size = (said.f_blocks - said.f_bfree) * said.f_frsize + free
    return Volume(
        device=device,
        mount=mount_of(folder),
        places=tuple(dict.fromkeys(place.role for place in places)),
        size_bytes=size,
        free_bytes=free,
        inodes=said.f_files,
        free_inodes=said.f_favail,
    )
