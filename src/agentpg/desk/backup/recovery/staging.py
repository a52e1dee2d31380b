"""WAL for a recovery that the server can't take from the archive by itself.

Where the archive is a folder that the server's account can read, and plain, it reads there. From
elsewhere, a bucket for example, what is needed is brought beside the new data folder first, and
what is sealed is opened there. And where the pg_wal of the server that was is still there, what it
had no time to archive is taken along.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from agentpg.desk.backup.recovery.archived import Archived, archived_as
from agentpg.desk.backup.recovery.server_side import has_zstd
from agentpg.desk.backup.recovery.targets import RecoveryPlan
from agentpg.desk.backup.recovery.unpacking import Place
from agentpg.desk.backup.recovery.wal import (
    HEAD_BYTES,
    Segment,
    WalArchive,
    lsn_number,
    origin_of,
    parse_history,
    prefix_of,
    segment_named,
    unpack,
)
from agentpg.desk.backup.storage.reaching import path_to
from agentpg.desk.backup.storage.repository import Repository, Stored
from agentpg.desk.backup.storage.sealing import Seal
from agentpg.errors import SealDamaged, WalDamaged, WalKeyMissing

# What opens sealed WAL, asked for where there is some.
OpenSeal = Callable[[], Seal]


def reachable_archive(
    repository: Repository,
    archive: WalArchive,
    plan: RecoveryPlan,
    place: Place,
    open_seal: OpenSeal,
) -> str | None:
    """The path of a folder from which the server can take WAL; None where there is none.

    Raises WalDamaged for a sealed file that is not what it was, and what `open_seal` raises where
    something is sealed.
    """
    folder = repository.folder(prefix_of(archive.system).rstrip("/"))
    if folder is not None and not folder.is_dir():
        return None
    wanted = _wanted_objects(repository, archive, plan)
    if folder is not None and all(found.is_plain for found, _ in wanted):
        path = path_to(folder, place.account, place.folder)
        if path is not None:
            return path
    return f"../{_staged(repository, wanted, place, open_seal).name}"


def no_key_for_wal() -> Seal:
    """What opens sealed WAL where nobody has a key. Raises WalKeyMissing."""
    raise WalKeyMissing(place="wal/")


def staging_folder(place: Place) -> Path:
    """Where WAL is brought to, beside the data folder."""
    return place.folder.with_name(f"{place.folder.name}.wal")


def system_of(wal: Path) -> str:
    """The identifier of the cluster that a pg_wal is of; empty where it has no segment."""
    for path in sorted(wal.iterdir()) if wal.is_dir() else ():
        if segment_named(path.name) is not None:
            with path.open("rb") as file:
                origin = origin_of(file.read(HEAD_BYTES))
            return origin[1] if origin else ""
    return ""


def with_tail(archive: WalArchive, tail: Path) -> WalArchive:
    """The archive with what a server's pg_wal has beyond it."""
    histories = _histories_in(tail)
    forks = {one: parse_history(path.read_text("utf-8")) for one, path in histories.items()}
    born = {one: _written_at(path) for one, path in histories.items()}
    return dataclasses.replace(
        archive,
        segments={**_segments_in(tail, archive), **archive.segments},
        histories={**forks, **archive.histories},
        born={**born, **archive.born},
    )


def take_tail(archive: WalArchive, tail: Path, place: Place) -> None:
    """Copy that into the new pg_wal, where it is looked for after the archive."""
    for path in (*_beyond(archive, tail).values(), *_histories_in(tail).values()):
        shutil.copy2(path, place.folder / "pg_wal" / path.name)
    place.account.own_tree(place.folder / "pg_wal")


def leave_to_archive(archive: WalArchive, tail: Path, place: Place, timeline: int) -> None:
    """Let the recovered server archive what the one that was had no time to.

    That is, up to where its own timeline began. The file in which that is may be one that the
    other server goes on with, where the two change places again: it is not archived from here.
    """
    wal = place.folder / "pg_wal"
    waiting = wal / "archive_status"
    waiting.mkdir(exist_ok=True)
    # A recovery ends with a checkpoint, and what is older than that is removed.
    forks = parse_history((wal / f"{timeline:08X}.history").read_text("utf-8"))
    for segment, path in _beyond(archive, tail).items():
        if segment.number < archive.number_of(forks[-1].lsn):
            shutil.copy2(path, wal / path.name)
            (waiting / f"{path.name}.ready").touch()
    place.account.own_tree(wal)


def reserve_timelines(place: Place, timeline: int, taken: Iterable[int]) -> None:
    """Let what is recovered along a timeline not begin one that is taken.

    PostgreSQL begins the first of which it finds no history. These are empty, and `forget_recovery`
    removes them.
    """
    wal = place.folder / "pg_wal"
    for number in range(timeline + 1, max(taken, default=0) + 1):
        (wal / f"{number:08X}.history").touch()
    place.account.own_tree(wal)


def _beyond(archive: WalArchive, tail: Path) -> dict[Segment, Path]:
    """The files of a pg_wal that the archive, which may be one with this tail, does not have."""
    return {
        segment: tail / segment.name(archive.segment_bytes)
        for segment in _segments_in(tail, archive)
        if segment not in archive.segments or not archive.segments[segment].key
    }


def _histories_in(tail: Path) -> dict[int, Path]:
    return {int(path.stem, 16): path for path in tail.glob("*.history") if path.stat().st_size}


def _written_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _segments_in(tail: Path, archive: WalArchive) -> dict[Segment, Stored]:
    """The segments in a pg_wal; a file that only waits to be used again has an old position."""
    found = {}
    for path in sorted(tail.iterdir()):
        segment = segment_named(path.name, archive.segment_bytes)
        if segment is not None and _is_written(path, segment, archive):
            size = path.stat().st_size
            found[segment] = Stored(key="", size_bytes=size, written_at=_written_at(path))
    return found


def _is_written(path: Path, segment: Segment, archive: WalArchive) -> bool:
    with path.open("rb") as file:
        origin = origin_of(file.read(HEAD_BYTES))
    return origin == (segment.number * archive.segment_bytes, archive.system)


def _wanted_objects(
    repository: Repository, archive: WalArchive, plan: RecoveryPlan
) -> list[tuple[Archived, str]]:
    """The segments that the recovery reads, and every timeline's history, with their keys."""
    keys = {stored.key for stored in _wanted(archive, plan) if stored.key}
    known = (
        (archived_as(stored.key), stored.key)
        for stored in repository.objects(prefix_of(archive.system))
    )
    return [
        (found, key)
        for found, key in known
        if found is not None and (key in keys or found.name.endswith(".history"))
    ]


def _staged(
    repository: Repository,
    wanted: list[tuple[Archived, str]],
    place: Place,
    open_seal: OpenSeal,
) -> Path:
    """Bring WAL near, under the names by which the server's script finds it."""
    folder = staging_folder(place)
    folder.mkdir(mode=0o700)
    seal = open_seal() if any(found.is_sealed for found, _ in wanted) else None
    zstd = has_zstd(place.account)
    for found, key in wanted:
        near = folder / f"{found.name}{found.form}"
        _bring(repository, key, near, seal if found.is_sealed else None)
        if found.form == ".zst" and not zstd:
            unpack(near, folder / found.name)
            near.unlink()
    place.account.own_tree(folder)
    return folder


def _bring(repository: Repository, key: str, near: Path, seal: Seal | None) -> None:
    if seal is None:
        repository.fetch(key, near)
        return
    with repository.open(key) as stored:
        try:
            seal.unseal_to(stored, near, name=key)
        except SealDamaged as error:
            raise WalDamaged(str(error.values["reason"]), key=key) from None


def _wanted(archive: WalArchive, plan: RecoveryPlan) -> list[Stored]:
    """Along the timeline up to the target, and one more: its first commit may be in that."""
    target = plan.target
    last = lsn_number(plan.reach.to_lsn) // archive.segment_bytes
    if target.by in ("lsn", "name"):
        last = min(last, archive.number_of(target.lsn or target.value) + 1)
    along = [archive.on_path(plan.timeline, number) for number in range(plan.first, last + 1)]
    there = [archive.segments[one] for one in along if one in archive.segments]
    if target.by == "time" and target.at is not None:
        at = target.at
        beyond = [place for place, stored in enumerate(there) if stored.written_at > at]
        there = there[: beyond[0] + 2] if beyond else there
    return there
