"""Figures as people read them: moments, durations, ages, sizes, money.

A value that is not known (None) is shown as a dash, never as 0.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from agentpg.quantities import size_in_short

UNKNOWN = "–"

_DURATIONS: tuple[tuple[str, int], ...] = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def moment(value: datetime | None) -> str:
    """A moment in local time with its offset: 2026-03-01 10:00:05+09:00."""
    if value is None:
        return UNKNOWN
    return value.astimezone().isoformat(sep=" ", timespec="seconds")


def duration(value: timedelta | float | Decimal | None) -> str:
    """A duration, or seconds, in its two largest units: 250 ms, 3.2 s, 2 min 5 s, 3 d 4 h."""
    if value is None:
        return UNKNOWN
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    sign = "-" if seconds < 0 else ""
    return sign + _long(abs(seconds))


def age(value: datetime | None, now: datetime | None = None) -> str:
    """How long ago a moment was, by this machine's clock unless `now` is given."""
    if value is None:
        return UNKNOWN
    return duration(timedelta(seconds=round(((now or datetime.now(UTC)) - value).total_seconds())))


def size(value: int | None) -> str:
    """Bytes, as PostgreSQL's pg_size_pretty counts them (1 kB is 1024): 17 MB."""
    if value is None:
        return UNKNOWN
    return size_in_short(value)


def count(value: int | None) -> str:
    """A number with its thousands apart: 12,345."""
    return UNKNOWN if value is None else f"{value:,}"


def money(value: Decimal | float | None) -> str:
    """US dollars: $12.30, with four digits below a dollar: $0.0042; then <$0.0001."""
    if value is None:
        return UNKNOWN
    exact = Decimal(str(value))
    if 0 < exact < Decimal("0.0001"):
        return "<$0.0001"
    return f"${exact:,.2f}" if exact >= 1 or exact == 0 else f"${exact:.4f}"


def percent(value: Decimal | float | None) -> str:
    """A share between 0 and 1: 97.5 %."""
    return UNKNOWN if value is None else f"{float(value) * 100:.1f} %"


def progress(fraction: float | None, text: str | None) -> str:
    """How far work is, and what it is at.

    >>> progress(0.4, "reading"), progress(None, "reading"), progress(1.0, "")
    ('40 % reading', 'reading', '100 %')
    """
    share = "" if fraction is None else f"{fraction * 100:.0f} %"
    return f"{share} {text or ''}".strip() or UNKNOWN


def _long(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f}".removesuffix(".0") + " s" if seconds < 59.95 else "1 min"
    whole = round(seconds)
    for (unit, length), (smaller, part) in pairwise(_DURATIONS):
        if whole >= length:
            rest = whole % length // part
            return (
                f"{whole // length} {unit} {rest} {smaller}"
                if rest
                else f"{whole // length} {unit}"
            )
    return f"{whole} s"
