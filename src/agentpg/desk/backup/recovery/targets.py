"""To which moments a base backup can be recovered, and how PostgreSQL is told one of them.

A backup alone reaches its own moment; with the archive, every later one up to the first gap. All is
decided here, from names and records, before anything is unpacked or started.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.recovery.wal import Gap, WalArchive, lsn_number, lsn_text
from agentpg.errors import TargetOutOfRange, TimelineUnclear, WalMissing

By = Literal["latest", "time", "lsn", "name", "backup"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What a base backup's record says of its cluster: the `details` of its kind.

    `mark` is the name of the point at its moment. `held_seconds` is how long writes were held
    for it, `held_up_seconds` the same with all attempts that did not succeed.
    """

    timeline: int
    start_lsn: str
    stop_lsn: str
    stopped_at: datetime
    mark: str
    segment_bytes: int
    held_seconds: float
    held_up_seconds: float
    attempts: int
    superuser: str
    cluster_bytes: int = 0
    floors: Mapping[str, str] = field(default_factory=dict)
    tablespaces: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(backup: Backup) -> Copy:
        """From the record of a backup of kind base, or of pgBackRest, which says less."""
        said = {n: value for n, value in backup.details.items() if n in Copy.__slots__}
        stopped = said.get("stopped_at")
        at = backup.taken_at if stopped is None else datetime.fromisoformat(stopped)
        return Copy(**{"attempts": 1, **said, "stopped_at": at})

    def document(self) -> dict[str, Any]:
        """As the record has it."""
        said = {name: getattr(self, name) for name in self.__slots__}
        return {**said, "stopped_at": self.stopped_at.isoformat()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where recovery shall stop.

    `latest` at the end of the WAL, `backup` at the backup's own moment, `time` after the last
    commit up to `at`, `lsn` before what is written at the position `value`, `name` at the mark
    `value`, which is at `lsn`. `timeline` is the one to follow, where that was said.
    """

    by: By
    value: str = ""
    at: datetime | None = None
    lsn: str = ""
    timeline: int | None = None

    def __str__(self) -> str:
        if self.by == "time" and self.at is not None:
            return shown(self.at)
        return self.value or self.by


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorableRange:
    """Where a backup can be recovered to along one timeline.

    From the end of its copying to the last write in the last segment before a gap. `gaps` are
    what is missing after it.
    """

    backup: str
    timeline: int
    from_lsn: str
    from_at: datetime
    to_lsn: str
    to_at: datetime
    gaps: tuple[Gap, ...] = ()

    def has(self, target: Target) -> bool:
        """Whether it reaches the target."""
        if target.by == "time" and target.at is not None:
            return self.from_at <= target.at <= self.to_at
        if target.by in ("lsn", "name"):
            lsn = lsn_number(target.lsn or target.value)
            return lsn_number(self.from_lsn) <= lsn <= lsn_number(self.to_lsn)
        return target.by == "backup" or not self.gaps


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryPlan:
    """What a recovery does: along which timeline, to where, with which of PostgreSQL's settings.

    `first` is the number of the first segment that is taken from the archive; `reach` the range
    in which the target lies.
    """

    backup: str
    target: Target
    timeline: int
    first: int
    reach: RestorableRange
    settings: Mapping[str, str]


def restorable_ranges(backup: Backup, archive: WalArchive) -> tuple[RestorableRange, ...]:
    """The range along the backup's own timeline, and along each one that came from it later.

    That of a later one begins where it left its parent: what was before is its parent's.
    """
    copy = Copy.of(backup)
    return tuple(_range(backup, copy, archive, one) for one in _timelines(copy, archive))


def plan_recovery(backup: Backup, archive: WalArchive, target: Target) -> RecoveryPlan:
    """Decide how the backup is recovered to the target.

    Raises TargetOutOfRange, WalMissing and TimelineUnclear where it can't be, or where it is not
    clear what is meant.
    """
    copy = Copy.of(backup)
    reach = _choose(backup, archive, target)
    return RecoveryPlan(
        backup=backup.name,
        target=target,
        timeline=reach.timeline,
        first=archive.number_of(backup.lsn),
        reach=reach,
        settings=_settings(copy, target, reach.timeline),
    )


def choose_backup(backups: Iterable[Backup], archive: WalArchive, target: Target) -> Backup | None:
    """The backup from which the target is reached soonest: the last that has it."""
    fitting = [
        backup
        for backup in backups
        if backup.source.system_identifier == archive.system
        and _fitting(_ranges(backup, archive, target), target)
    ]
    return max(fitting, key=lambda one: one.taken_at, default=None)


def _timelines(copy: Copy, archive: WalArchive) -> list[int]:
    own = copy.timeline
    later = [
        one
        for one in archive.timelines()
        if one != own and archive.descends(one, own, copy.stop_lsn)
    ]
    return [own, *later]


def _range(
    backup: Backup, copy: Copy, archive: WalArchive, timeline: int, *, whole: bool = False
) -> RestorableRange:
    """Along one timeline: its own part, or the whole from the backup on."""
    first = archive.number_of(backup.lsn)
    last = archive.last_without_gap(timeline, first)
    from_lsn, from_at = copy.stop_lsn, copy.stopped_at
    to_lsn, to_at = backup.lsn, backup.taken_at
    if timeline != copy.timeline and not whole:
        from_lsn = archive.path_of(timeline)[-1].lsn
        from_at = max(from_at, archive.born.get(timeline, from_at))
    if last is not None:
        to_lsn = lsn_text((last.number + 1) * archive.segment_bytes)
        to_at = max(to_at, archive.segments[last].written_at)
    return RestorableRange(
        backup=backup.name,
        timeline=timeline,
        from_lsn=from_lsn,
        from_at=from_at,
        to_lsn=to_lsn,
        to_at=to_at,
        gaps=tuple(archive.gaps(timeline, first)),
    )


def _ranges(backup: Backup, archive: WalArchive, target: Target) -> tuple[RestorableRange, ...]:
    """Those among which the target is to be found."""
    copy = Copy.of(backup)
    if target.by == "backup":
        return (_range(backup, copy, archive, copy.timeline),)
    if target.timeline is None:
        return restorable_ranges(backup, archive)
    if target.timeline not in _timelines(copy, archive):
        return ()
    return (_range(backup, copy, archive, target.timeline, whole=True),)


def _fitting(ranges: Iterable[RestorableRange], target: Target) -> list[RestorableRange]:
    return [one for one in ranges if one.has(target)]


def _choose(backup: Backup, archive: WalArchive, target: Target) -> RestorableRange:
    """The range that has the target; where none has, say why."""
    ranges = _ranges(backup, archive, target)
    fitting = _fitting(ranges, target)
    if len(fitting) > 1:
        names = ", ".join(str(one.timeline) for one in fitting)
        raise TimelineUnclear(target=target, timelines=names)
    if fitting:
        return fitting[0]
    if not ranges:
        ranges = restorable_ranges(backup, archive)
    earliest, latest = min(one.from_at for one in ranges), max(one.to_at for one in ranges)
    gap = next((gap for one in ranges for gap in one.gaps), None)
    if gap is not None and not _is_before(target, ranges[0]):
        raise WalMissing(
            first=gap.first, last=gap.last, segments=gap.segments, latest=shown(latest)
        )
    raise TargetOutOfRange(
        backup=backup.name, target=target, earliest=shown(earliest), latest=shown(latest)
    )


def _is_before(target: Target, reach: RestorableRange) -> bool:
    if target.by == "time" and target.at is not None:
        return target.at < reach.from_at
    position = target.lsn or target.value
    return target.by in ("lsn", "name") and lsn_number(position) < lsn_number(reach.from_lsn)


def _settings(copy: Copy, target: Target, timeline: int) -> dict[str, str]:
    """PostgreSQL's settings for the target; a position's is the state before it.

    Taken with the record that begins there, it would be one transaction too many.
    """
    chosen = {
        "recovery_target_timeline": str(timeline),
        "recovery_target_action": "promote",
        # Only a server that is read while it recovers needs as many connections as the source.
        "hot_standby": "off",
    }
    match target.by:
        case "time":
            chosen["recovery_target_time"] = shown(target.at)
        case "lsn":
            chosen["recovery_target_lsn"] = target.value
            chosen["recovery_target_inclusive"] = "off"
        case "name" if target.lsn:
            # Somebody may have made another point of the name before, at which it would stop.
            chosen["recovery_target_lsn"] = target.lsn
            chosen["recovery_target_inclusive"] = "off"
        case "name":
            chosen["recovery_target_name"] = target.value
        case "backup":
            chosen["recovery_target_name"] = copy.mark
    return chosen


def is_lsn(text: str) -> bool:
    """Whether this is a position as PostgreSQL writes it."""
    return re.fullmatch(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}", text) is not None


def shown(moment: datetime | None) -> str:
    """A moment as PostgreSQL reads it, with its offset."""
    return "" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00"
