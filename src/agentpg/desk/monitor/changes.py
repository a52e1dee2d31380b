"""What has changed since an earlier sample: the server, its sizes, its pace, and the agents'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from agentpg.desk.monitor.reading import Reader
from agentpg.desk.monitor.samples import Kept, read_near, read_present
from agentpg.desk.monitor.sizes import Sizes, compared, read_sizes
from agentpg.errors import NoSample


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """How much of something there was in the time, and in one of the same length before.

    None where it is not known, since there is no sample or the counters began anew.
    """

    name: str
    now: float | None
    before: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What has changed `since` a sample. Settings are those whose value differs."""

    since: datetime
    until: datetime
    restarted_at: datetime | None
    version_before: str | None
    settings: tuple[str, ...]
    sizes: Sizes
    counted: tuple[Counted, ...]


def read_changes(reader: Reader, ago: timedelta) -> Changes:
    """Compare the present with the time that ago. Raises NoSample where nothing was kept."""
    then, now = read_near(reader, ago), read_present(reader)
    length = now.taken_at - then.taken_at
    try:
        earlier: Kept | None = read_near(reader, 2 * length)
    except NoSample:
        earlier = None
    sizes = compared(read_sizes(reader), then.sizes)
    found = changes(then, now, _fitting(earlier, then, length), sizes)
    if now.role == then.role:
        return found
    return replace(found, settings=_differing(then, _as_kept(reader, then, now)))


def _as_kept(reader: Reader, then: Kept, now: Kept) -> Kept:
    """The last sample of the role that kept the earlier one; its settings tell more."""
    last = read_near(reader, timedelta())
    return last if last.role == then.role else now


def changes(then: Kept, now: Kept, earlier: Kept | None, sizes: Sizes) -> Changes:
    """The same for samples that are known; `earlier` is as long before `then` as that is ago."""
    return Changes(
        since=then.taken_at,
        until=now.taken_at,
        restarted_at=now.started_at if now.started_at != then.started_at else None,
        version_before=_other(then.sample["version"], now.sample["version"]),
        settings=_differing(then, now),
        sizes=sizes,
        counted=tuple(
            Counted(
                name=name,
                now=_more(now.counters, then.counters, name),
                before=None if earlier is None else _more(then.counters, earlier.counters, name),
            )
            for name in now.counters
        ),
    )


def _fitting(earlier: Kept | None, then: Kept, length: timedelta) -> Kept | None:
    """A sample that is about as long before; another one would compare unlike times."""
    if earlier is None or length <= timedelta():
        return None
    share = (then.taken_at - earlier.taken_at) / length
    return earlier if 0.8 <= share <= 1.25 else None


def _more(
    now: Mapping[str, float | None], then: Mapping[str, float | None], name: str
) -> float | None:
    one, other = now.get(name), then.get(name)
    if one is None or other is None or one < other:
        return None
    return one - other


def _other(then: str, now: str) -> str | None:
    return then if then != now else None


def _differing(then: Kept, now: Kept) -> tuple[str, ...]:
    """Settings that differ; of other roles only those that both know, since not all see all."""
    one, other = then.sample["settings"] or {}, now.sample["settings"] or {}
    alike = then.role is not None and then.role == now.role
    names = one.keys() | other.keys() if alike else one.keys() & other.keys()
    return tuple(sorted(name for name in names if one.get(name) != other.get(name)))
