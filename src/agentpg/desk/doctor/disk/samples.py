"""How the disks were filled before, in a small file, and when they will be full.

    home/disk-history.jsonl    a line for each look: moment, file system, what was taken

A look within ten minutes of the last keeps nothing; of what is older than a day one in six
hours is kept, for ninety days, so that the file stays below 100 kB for each file system.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from agentpg.desk.doctor.disk.facts import Sample, Volume
from agentpg.desk.files import replace_file
from agentpg.errors import FileNotWritten

_NAME = "disk-history.jsonl"

_APART = timedelta(minutes=10)
_RECENT, _OLD_APART, _KEPT = timedelta(days=1), timedelta(hours=6), timedelta(days=90)

# Three looks within an hour are the least that a line can be drawn through.
_LEAST_SAMPLES, _LEAST_SPAN = 3, timedelta(hours=1)
_LONGEST_SPAN = timedelta(days=14)

# What grows more slowly is the usual coming and going.
_FARTHEST = timedelta(days=3650)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """When a file system is full, if it grows as it did over `span`."""

    full_at: datetime
    bytes_per_day: float
    span: timedelta


def read_samples(home: Path) -> tuple[Sample, ...]:
    """What is kept of earlier looks; lines that can't be read are left out."""
    try:
        lines = (home / _NAME).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ()
    return tuple(sample for line in lines if (sample := _sample_of(line)) is not None)


def keep_samples(
    home: Path, before: Sequence[Sample], volumes: Iterable[Volume], now: datetime
) -> tuple[Sample, ...]:
    """Add what is taken now, thin out what is old, and write it where that is possible.

    A look must not fail for want of the room that it looks at.
    """
    newest = {sample.mount: sample.at for sample in before}
    added = [
        Sample(at=now, mount=one.mount, used_bytes=one.used_bytes, size_bytes=one.size_bytes)
        for one in volumes
        if one.mount not in newest or now - newest[one.mount] >= _APART
    ]
    if not added:
        return tuple(before)
    kept = thin([*before, *added], now)
    if home.is_dir():
        with suppress(FileNotWritten):
            replace_file(home / _NAME, "".join(f"{_line_of(sample)}\n" for sample in kept))
    return tuple(kept)


def thin(samples: Sequence[Sample], now: datetime) -> list[Sample]:
    """Without what need not be kept."""
    kept: list[Sample] = []
    last: dict[str, datetime] = {}
    for sample in sorted(samples, key=lambda one: one.at):
        if now - sample.at > _KEPT:
            continue
        apart = _APART if now - sample.at <= _RECENT else _OLD_APART
        if sample.mount in last and sample.at - last[sample.mount] < apart:
            continue
        last[sample.mount] = sample.at
        kept.append(sample)
    return kept


def forecast(samples: Iterable[Sample], volume: Volume, now: datetime) -> Forecast | None:
    """When the file system is full, by a line through what was taken; None: not known, or never.

    The last day is looked at by itself too, since what has just begun is what fills a disk:
    the earlier of the two moments counts.
    """
    ours = [one for one in samples if one.mount == volume.mount and now - one.at < _LONGEST_SPAN]
    recent = [one for one in ours if now - one.at <= _RECENT]
    found = [_line_through(some, volume, now) for some in (ours, recent)]
    return min((one for one in found if one), key=lambda one: one.full_at, default=None)


def enough(samples: Iterable[Sample], volume: Volume, now: datetime) -> bool:
    """Whether there are looks enough to say something."""
    moments = [one.at for one in samples if one.mount == volume.mount]
    return len(moments) >= _LEAST_SAMPLES and now - min(moments) >= _LEAST_SPAN


def _line_through(some: Sequence[Sample], volume: Volume, now: datetime) -> Forecast | None:
    if len(some) < _LEAST_SAMPLES:
        return None
    span = max(one.at for one in some) - min(one.at for one in some)
    if span < _LEAST_SPAN:
        return None
    slope = _slope([((one.at - now).total_seconds(), float(one.used_bytes)) for one in some])
    if slope <= 0 or volume.free_bytes / slope > _FARTHEST.total_seconds():
        return None
    left = timedelta(seconds=volume.free_bytes / slope)
    return Forecast(full_at=now + left, bytes_per_day=slope * 86400, span=span)


def _slope(points: Sequence[tuple[float, float]]) -> float:
    """By least squares."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    width = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / width if width else 0.0


def _line_of(sample: Sample) -> str:
    return json.dumps(
        {
            "at": sample.at.isoformat(),
            "mount": sample.mount,
            "used_bytes": sample.used_bytes,
            "size_bytes": sample.size_bytes,
        }
    )


def _sample_of(line: str) -> Sample | None:
    try:
        said = json.loads(line)
        return Sample(
            at=datetime.fromisoformat(said["at"]),
            mount=str(said["mount"]),
            used_bytes=int(said["used_bytes"]),
            size_bytes=int(said["size_bytes"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
