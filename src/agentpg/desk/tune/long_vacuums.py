"""Tables whose vacuum takes longer than a round has: what is remembered, and how they get through.

A vacuum that is cut off begins its work on the indexes anew each time, so that with the same time
it would never end. Each further try has twice the time and half the rests, up to none, and comes
after all that is quicker. Where a table is too old for the rest, its indexes are left out: the
rows are frozen in one pass, and its age falls. What is too long for all that is said each
round and tried once a day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agentpg.desk.doctor.vacuum.needs import Need

# 10, 20 and 40 min, then as long as there may be.
_TRIES_WITH_RESTS = 3
_MOST_TRIES = 4
_AGAIN = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A table whose last vacuum was cut off: how often in a row, after what time, and when."""

    oid: int
    table: str
    tries: int
    seconds: float
    tried_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How a vacuum is to go: for how long at most, with which rests, with or without indexes."""

    most: timedelta
    rest: timedelta
    indexes: bool = True


def window_of(
    before: Unfinished | None,
    needs: Sequence[Need],
    *,
    first: timedelta,
    longest: timedelta,
    rest: timedelta,
) -> Window:
    """How the next try goes: `first` is for what was not cut off yet."""
    if before is None:
        return Window(most=first, rest=rest)
    tries = min(before.tries, _MOST_TRIES)
    rests = rest / 2**tries if tries < _TRIES_WITH_RESTS else timedelta()
    too_old = any(need.kind == "age" for need in needs)
    return Window(most=min(first * 2**tries, longest), rest=rests, indexes=not too_old)


def waits(before: Unfinished, now: datetime) -> bool:
    """Whether it was tried in every way, and is not tried again yet."""
    return before.tries >= _MOST_TRIES and now - before.tried_at < _AGAIN


def cut_off(
    before: Unfinished | None, oid: int, table: str, seconds: float, now: datetime
) -> Unfinished:
    """What is remembered of one more try that was cut off."""
    tries = 1 if before is None else before.tries + 1
    return Unfinished(oid=oid, table=table, tries=tries, seconds=round(seconds, 1), tried_at=now)


def last_of_all(
    by_table: Sequence[tuple[Need, ...]], known: Mapping[int, Unfinished]
) -> list[tuple[Need, ...]]:
    """The tables in their order, those that take long after the others, the longest ago first."""

    def place(needs: tuple[Need, ...]) -> tuple[bool, float]:
        before = known.get(needs[0].oid)
        return before is not None, 0.0 if before is None else before.tried_at.timestamp()

    return sorted(by_table, key=place)
