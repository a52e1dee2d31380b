"""The room that writing a table anew takes, on each file system, before it gives anything back.

The rows and the indexes are written once more where they lie, the sorting of the indexes takes
temporary files, and all that is written goes through the WAL. Where nothing was measured, nothing
is taken for free: after a crash the statistics know of no row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agentpg.desk.doctor.disk.facts import Facts, Table, Volume

# What is written anew is never packed as exactly as it is reckoned.
_WRITE_FACTOR = 1.2

# Subvolumes of btrfs and datasets of ZFS share what is free, which moves while it is read.
_ALIKE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a rewrite takes on one file system.

    `place` is where that is: its mount, or what could not be looked at; then `free_bytes` is None.
    """

    place: str
    needed_bytes: int
    free_bytes: int | None

    @property
    def suffices(self) -> bool:
        """Whether it is known to be enough."""
        return self.free_bytes is not None and self.free_bytes >= self.needed_bytes


# What is written: its file system, None where that can't be seen, the place's name, how much.
Taker = tuple[Volume | None, str, int]


def rooms(facts: Facts, table: Table) -> tuple[Room, ...]:
    """The room on each file system that takes part."""
    return rooms_of(_takers(facts, table))


def rooms_of_build(
    facts: Facts, index_bytes: int, folder: str, sort_folder: str
) -> tuple[Room, ...]:
    """The room that building an index takes, beside what is there: the index in the folder of its
    tablespace, its entries once more while they are sorted, and all of it in the WAL."""
    return rooms_of(
        (
            _space(facts, folder, int(index_bytes * _WRITE_FACTOR)),
            _space(facts, sort_folder, index_bytes),
            (facts.volume("wal"), "pg_wal", index_bytes),
        )
    )


def rooms_of(takers: Iterable[Taker]) -> tuple[Room, ...]:
    """What is written, by file system."""
    needed: dict[str, int] = {}
    free: dict[str, int | None] = {}
    for volume, named, taken in takers:
        place = named if volume is None else volume.mount
        needed[place] = needed.get(place, 0) + taken
        free[place] = None if volume is None else volume.free_bytes
    return tuple(
        Room(place=place, needed_bytes=taken, free_bytes=free[place])
        for place, taken in needed.items()
    )


def rewrite_bytes(table: Table) -> int:
    """All that a rewrite takes, wherever it lies."""
    written = int((rows_bytes(table) + table.index_bytes) * _WRITE_FACTOR)
    return written + _sort_bytes(table) + _wal_bytes(table)


def rows_bytes(table: Table) -> int:
    """The rows as they are written anew, with what TOAST keeps, of which nothing is measured."""
    return _heap_bytes(table) + table.size_bytes - table.heap_bytes


def gain_bytes(table: Table) -> int:
    """What a rewrite gives back: measured, or else a guess by the statistics."""
    if table.free_share is None:
        return int(table.dead_share * table.heap_bytes)
    rows = (1 - table.free_share) * table.heap_bytes * 100 / table.fill_factor
    return max(int(table.heap_bytes - rows), 0)


def volume_of_space(facts: Facts, folder: str) -> Volume | None:
    """The file system of a tablespace, by its folder; empty for the data folder."""
    if not folder:
        return facts.volume("data")
    spaces = [one for one in facts.places if one.role == "tablespace"]
    found = [one for one in spaces if one.folder == Path(folder)]
    return facts.on_device(found[0].device) if found else None


def lacking(found: Sequence[Room]) -> Room | None:
    """The first that is too small, or else the first of which it is not known."""
    known = [_with_sharers(one, found) for one in found if one.free_bytes is not None]
    small = [one for one in known if not one.suffices]
    unknown = [one for one in found if one.free_bytes is None]
    return next(iter((*small, *unknown)), None)


def _with_sharers(room: Room, found: Sequence[Room]) -> Room:
    """With what is needed on the others that have as much free: file systems of one pool do."""
    free = room.free_bytes or 0
    near = [
        one.needed_bytes
        for one in found
        if one.free_bytes is not None and abs(one.free_bytes - free) <= _ALIKE * free
    ]
    return replace(room, needed_bytes=sum(near))


def _takers(facts: Facts, table: Table) -> Iterator[Taker]:
    yield _space(facts, table.folder, int(rows_bytes(table) * _WRITE_FACTOR))
    for folder, taken in (table.indexes_in or {table.folder: table.index_bytes}).items():
        yield _space(facts, folder, int(taken * _WRITE_FACTOR))
    yield _space(facts, table.sort_folder, _sort_bytes(table))
    yield facts.volume("wal"), "pg_wal", _wal_bytes(table)


def _space(facts: Facts, folder: str, taken: int) -> Taker:
    return volume_of_space(facts, folder), folder or "data_directory", taken


def _sort_bytes(table: Table) -> int:
    """Temporary files, of one index at a time; equal keys take less room in it than sorted."""
    return max(table.index_bytes, _heap_bytes(table)) if table.index_bytes else 0


def _heap_bytes(table: Table) -> int:
    """The heap anew; dead rows that a transaction may still see are not left out."""
    kept = 1 - (table.free_share or 0.0) + table.dead_measured
    return int(kept * table.heap_bytes * 100 / table.fill_factor)


def _wal_bytes(table: Table) -> int:
    """All of it: a slot, or archiving that fails, may keep it until the end."""
    return rows_bytes(table) + table.index_bytes
