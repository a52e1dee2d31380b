"""WAL for a recovery that the server can't take from the archive by itself.

Where the archive is a folder that the server's account can read, it reads there. From elsewhere, a
bucket for example, what is needed is brought beside the new data folder first. And where the
pg_wal of the server that was is still there, what it had no time to archive is taken along.
"""

from __future__ import annotations

import dataclasses
import shutil
import struct
from datetime import UTC, datetime
from pathlib import Path

from agentpg.desk.backup.recovery.targets import RecoveryPlan
from agentpg.desk.backup.recovery.unpacking import Place
from agentpg.desk.backup.recovery.wal import (
    Segment,
    WalArchive,
    lsn_number,
    plain_name,
    prefix_of,
    segment_named,
)
from agentpg.desk.backup.storage.reaching import path_to
from agentpg.desk.backup.storage.repository import Repository, Stored

# The beginning of a segment: magic, flags, timeline, position, rest of the last record, system.
_HEADER = struct.Struct("<HHIQIxxxxQ")


def reachable_archive(
    repository: Repository, archive: WalArchive, plan: RecoveryPlan, place: Place
) -> str | None:
    """The path of a folder from which the server can take WAL; None where there is none."""
    folder = repository.folder(prefix_of(archive.system).rstrip("/"))
    if folder is not None and not folder.is_dir():
        return None
    path = None if folder is None else path_to(folder, place.account, place.folder)
    return path or f"../{_staged(repository, archive, plan, place).name}"


def staging_folder(place: Place) -> Path:
    """Where WAL is brought to, beside the data folder."""
    return place.folder.with_name(f"{place.folder.name}.wal")


def system_of(wal: Path) -> str:
    """The identifier of the cluster that a pg_wal is of; empty where it has no segment."""
    for path in sorted(wal.iterdir()) if wal.is_dir() else ():
        if segment_named(path.name) is not None:
            with path.open("rb") as file:
                head = file.read(_HEADER.size)
            return str(_HEADER.unpack(head)[5]) if len(head) == _HEADER.size else ""
    return ""


def with_tail(archive: WalArchive, tail: Path) -> WalArchive:
    """The archive with what a server's pg_wal has beyond it."""
    beyond = {
        segment: stored
        for segment, stored in _segments_in(tail, archive).items()
        if segment not in archive.segments
    }
    return dataclasses.replace(archive, segments={**beyond, **archive.segments})


def take_tail(archive: WalArchive, tail: Path, place: Place) -> None:
    """Copy that into the new pg_wal, where it is looked for after the archive.

    It is marked as not archived yet, so that the recovered server archives it.
    """
    waiting = place.folder / "pg_wal" / "archive_status"
    waiting.mkdir(exist_ok=True)
    for segment in _segments_in(tail, archive):
        if archive.segments[segment].key:
            continue
        name = segment.name(archive.segment_bytes)
        shutil.copy2(tail / name, place.folder / "pg_wal" / name)
        (waiting / f"{name}.ready").touch()
    place.account.own_tree(place.folder / "pg_wal")


def _segments_in(tail: Path, archive: WalArchive) -> dict[Segment, Stored]:
    """The segments in a pg_wal; a file that only waits to be used again has an old position."""
    found = {}
    for path in sorted(tail.iterdir()):
        segment = segment_named(path.name, archive.segment_bytes)
        if segment is not None and _is_written(path, segment, archive):
            written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            found[segment] = Stored(key="", size_bytes=path.stat().st_size, written_at=written)
    return found


def _is_written(path: Path, segment: Segment, archive: WalArchive) -> bool:
    with path.open("rb") as file:
        head = file.read(_HEADER.size)
    if len(head) < _HEADER.size:
        return False
    _, _, _, position, _, system = _HEADER.unpack(head)
    return bool(
        position == segment.number * archive.segment_bytes and str(system) == archive.system
    )


def _staged(repository: Repository, archive: WalArchive, plan: RecoveryPlan, place: Place) -> Path:
    """Bring the segments that the recovery reads, and every timeline's history."""
    folder = staging_folder(place)
    folder.mkdir(mode=0o700)
    wanted = {stored.key for stored in _wanted(archive, plan) if stored.key}
    for stored in repository.objects(prefix_of(archive.system)):
        name, form = plain_name(stored.key)
        if stored.key in wanted or (form and name.endswith(".history")):
            repository.fetch(stored.key, folder / f"{name}{form}")
    place.account.own_tree(folder)
    return folder


def _wanted(archive: WalArchive, plan: RecoveryPlan) -> list[Stored]:
    last = lsn_number(plan.reach.to_lsn) // archive.segment_bytes
    along = [archive.on_path(plan.timeline, number) for number in range(plan.first, last + 1)]
    there = [archive.segments[one] for one in along if one in archive.segments]
    target = plan.target
    if target.by == "time" and target.at is not None:
        at = target.at
        beyond = [place for place, stored in enumerate(there) if stored.written_at > at]
        # The first commit after the target may be in the file after that.
        there = there[: beyond[0] + 2] if beyond else there
    return there
