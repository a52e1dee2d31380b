"""Which archived WAL no base backup needs any more.

A base backup needs every segment from its own beginning on, along its timeline and along each one
that came from it later. What is before the oldest, and what a timeline has written that none of
them leads to, can go. In doubt a file stays: without a base backup there may be one in the
making, and of a timeline without a history nobody knows where it came from. Histories always
stay: they are small, and tell the timelines apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from agentpg.desk.backup.model import UNKNOWN_SYSTEM, Backup
from agentpg.desk.backup.recovery.archived import archived_as
from agentpg.desk.backup.recovery.targets import Copy
from agentpg.desk.backup.recovery.wal import (
    Segment,
    WalArchive,
    prefix_of,
    read_archive,
    segment_named,
)
from agentpg.desk.backup.storage.repository import Repository, Stored

# What begins with a segment's name: the segment, one that was ended early, a copy's beginning.
_OF_SEGMENT = re.compile(r"([0-9A-F]{24})(\.partial|\.[0-9A-F]{8}\.backup)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class WalPlan:
    """What becomes of one cluster's archived WAL: the files that go, and what stays."""

    system: str
    going: tuple[Stored, ...]
    kept_files: int
    kept_bytes: int

    @property
    def going_bytes(self) -> int:
        """What the files that go take."""
        return sum(stored.size_bytes for stored in self.going)


def plan_wal(
    repository: Repository, kept: Iterable[Backup], systems: set[str] | None
) -> tuple[WalPlan, ...]:
    """What is not needed for the backups that stay, of these clusters or of all of theirs."""
    found: dict[str, list[Backup]] = {}
    for backup in kept:
        system = backup.source.system_identifier
        wanted = systems is None or system in systems
        if backup.kind == "base" and wanted and system != UNKNOWN_SYSTEM:
            found.setdefault(system, []).append(backup)
    return tuple(_plan(repository, system, backups) for system, backups in found.items())


def remove_wal(repository: Repository, plan: WalPlan) -> None:
    """Remove what goes, the oldest first, so that what is left has no gap if this ends early."""
    repository.remove([stored.key for stored in plan.going])


def _plan(repository: Repository, system: str, backups: Sequence[Backup]) -> WalPlan:
    archive = read_archive(repository, system, Copy.of(backups[0]).segment_bytes)
    needed = _Needed(archive, backups)
    going: list[tuple[Segment, Stored]] = []
    staying: list[Stored] = []
    for stored in repository.objects(prefix_of(system)):
        segment = _segment_of(stored.key, archive.segment_bytes)
        if segment is not None and segment not in needed:
            going.append((segment, stored))
        elif archived_as(stored.key) is not None:
            staying.append(stored)
    going.sort(key=lambda one: (one[0].number, one[0].timeline, one[1].key))
    return WalPlan(
        system=system,
        going=tuple(stored for _, stored in going),
        kept_files=len(staying),
        kept_bytes=sum(stored.size_bytes for stored in staying),
    )


def _segment_of(key: str, segment_bytes: int) -> Segment | None:
    """The segment that a file of WAL is, or belongs to; None for all others."""
    found = archived_as(key)
    match = _OF_SEGMENT.fullmatch(found.name) if found is not None else None
    return segment_named(match[1], segment_bytes) if match else None


class _Needed:
    """The segments that some of the backups need."""

    def __init__(self, archive: WalArchive, backups: Sequence[Backup]) -> None:
        self._archive = archive
        firsts = [archive.number_of(Copy.of(backup).start_lsn) for backup in backups]
        self._oldest = min(firsts)
        self._ways = [
            (timeline, first)
            for backup, first in zip(backups, firsts, strict=True)
            for timeline in _timelines_from(archive, backup)
        ]

    def __contains__(self, segment: Segment) -> bool:
        if segment.number < self._oldest:
            return False
        if segment.timeline > 1 and segment.timeline not in self._archive.histories:
            return True
        return any(
            segment.number >= first and self._is_on(timeline, segment)
            for timeline, first in self._ways
        )

    def _is_on(self, timeline: int, segment: Segment) -> bool:
        """Whether the timeline has it, or its ancestor has up to where they parted, and there."""
        if segment.timeline == timeline:
            return True
        parted = [
            self._archive.number_of(fork.lsn)
            for fork in self._archive.path_of(timeline)
            if fork.parent == segment.timeline
        ]
        return bool(parted) and segment.number <= parted[0]


def _timelines_from(archive: WalArchive, backup: Backup) -> Iterator[int]:
    copy = Copy.of(backup)
    yield copy.timeline
    for timeline in archive.timelines():
        if timeline != copy.timeline and archive.descends(timeline, copy.timeline, copy.stop_lsn):
            yield timeline
