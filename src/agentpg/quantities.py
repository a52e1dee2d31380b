"""Durations and sizes as people write them, "30s", "5min", "512kiB", and as they read them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from agentpg.language import N_

_NO_DURATION = N_("it must be a number with a unit, such as 30s, 5min or 1h")
_TOO_LONG = N_("it must be a hundred years or less")
_NO_SIZE = N_("it must be a number with a unit, such as 512kiB or 1MiB")

_DURATION_UNITS = {"ms": 0.001, "s": 1, "min": 60, "h": 3600, "d": 86400}
_SIZE_UNITS = {"B": 1, "kiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_READ_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")

# A hundred years: what is longer is a slip, and PostgreSQL's intervals end somewhere.
_LONGEST_SECONDS = 100 * 366 * 86400


def parse_duration(value: object) -> object:
    """A duration as text, "250ms", "30s", "5min", "1h" or "7d", as a timedelta."""
    if not isinstance(value, str):
        return value
    number, unit = _number_and_unit(value, _DURATION_UNITS, _NO_DURATION)
    seconds = number * _DURATION_UNITS[unit]
    if seconds > _LONGEST_SECONDS:
        raise ValueError(_TOO_LONG)
    return timedelta(seconds=seconds)


def parse_size(value: object) -> object:
    """A size as text, "512kiB", "1MiB" or "1048576", in bytes."""
    if not isinstance(value, str):
        return value
    text = value if re.search(r"[A-Za-z]", value) else f"{value}B"
    number, unit = _number_and_unit(text, _SIZE_UNITS, _NO_SIZE)
    return int(number * _SIZE_UNITS[unit])


def format_duration(value: timedelta) -> str:
    """The shortest exact text for a duration: 0:00:30 is "30s"."""
    seconds = value.total_seconds()
    for unit in ("d", "h", "min", "s"):
        if seconds and seconds % _DURATION_UNITS[unit] == 0:
            return f"{int(seconds / _DURATION_UNITS[unit])}{unit}"
    return f"{seconds * 1000:g}ms" if seconds else "0s"


def format_size(value: int) -> str:
    """The shortest exact text for a size: 1048576 is "1MiB"."""
    for unit in ("GiB", "MiB", "kiB"):
        if value and value % _SIZE_UNITS[unit] == 0:
            return f"{value // _SIZE_UNITS[unit]}{unit}"
    return f"{value}B"


def size_in_short(value: float) -> str:
    """Bytes in three digits, as PostgreSQL's pg_size_pretty counts them (1 kB is 1024): 17 MB."""
    power = 0
    while abs(value) >= 1024 and power < len(_READ_UNITS) - 1:
        value, power = value / 1024, power + 1
    number = f"{value:.3g}" if abs(value) < 999.5 else f"{value:.0f}"
    return f"{number} {_READ_UNITS[power]}"


def _number_and_unit(text: str, units: Mapping[str, float], complaint: str) -> tuple[float, str]:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*", text)
    known = {unit.lower(): unit for unit in units}
    if not found or found[2].lower() not in known:
        raise ValueError(complaint)
    return float(found[1]), known[found[2].lower()]
