"""Values of settings, as PostgreSQL writes them and in the units that it keeps them in."""

from __future__ import annotations

import re

_BYTES = {"B": 1, "kB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_VALUE = re.compile(r"\s*(-?\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")
_UNIT = re.compile(r"(\d*)([A-Za-z]+)")

_ON, _OFF = ("on", "true", "yes", "1"), ("off", "false", "no", "0")


def in_unit(value: str, unit: str) -> float | None:
    """A number with or without a unit of its own, in a setting's unit; None for what is none.

    >>> in_unit("1GB", "8kB"), in_unit("5min", "ms"), in_unit("16384", "8kB")
    (131072.0, 300000.0, 16384.0)
    """
    found = _VALUE.fullmatch(value)
    if found is None:
        return None
    number, said = float(found[1]), found[2]
    if not said:
        return number
    for known in (_BYTES, _SECONDS):
        size = _size(unit, known)
        if said in known and size:
            return number * known[said] / size
    return None


def in_bytes(value: str, unit: str) -> int | None:
    """A size in bytes; None for what is none, such as -1.

    >>> in_bytes("16384", "8kB"), in_bytes("-1", "kB")
    (134217728, None)
    """
    number, size = in_unit(value, unit), _size(unit, _BYTES)
    return None if number is None or not size or number < 0 else int(number * size)


def in_seconds(value: str, unit: str) -> float | None:
    """A time in seconds."""
    number, size = in_unit(value, unit), _size(unit, _SECONDS)
    return None if number is None or not size or number < 0 else number * size


def is_same(one: str, other: str, unit: str) -> bool:
    """Whether two texts are the same value of a setting."""
    numbers = in_unit(one, unit), in_unit(other, unit)
    if None not in numbers:
        return abs((numbers[0] or 0) - (numbers[1] or 0)) < 1e-9
    for words in (_ON, _OFF):
        if one.lower() in words:
            return other.lower() in words
    return one == other


def shown(value: str, unit: str) -> str:
    """A value as people write it: 16384 of 8kB is 128MB.

    >>> shown("16384", "8kB"), shown("300000", "ms"), shown("0", "ms"), shown("on", "")
    ('128MB', '5min', '0', 'on')
    """
    size = in_bytes(value, unit)
    if size is not None:
        return _largest(size, _BYTES) if size else "0"
    seconds = in_seconds(value, unit)
    if seconds is not None:
        return _largest_time(seconds) if seconds else "0"
    return value


def megabytes(size: float) -> str:
    """A size rounded down to what one would write: whole gigabytes from 8 GB on, else in steps.

    >>> megabytes(2.1 * 1024**3), megabytes(9.7 * 1024**3), megabytes(70.5 * 1024**2)
    ('2112MB', '9GB', '70MB')
    """
    whole = int(size // 1024**2)
    step = 1024 if whole >= 8192 else 64 if whole >= 1024 else 8 if whole >= 128 else 1
    whole = max(whole // step * step, 1)
    return f"{whole}MB" if whole % 1024 else f"{whole // 1024}GB"


def _size(unit: str, known: dict[str, int] | dict[str, float]) -> float:
    found = _UNIT.fullmatch(unit)
    if found is None or found[2] not in known:
        return 0.0
    return int(found[1] or 1) * float(known[found[2]])


def _largest(size: int, known: dict[str, int]) -> str:
    for unit in ("TB", "GB", "MB", "kB"):
        if size % known[unit] == 0:
            return f"{size // known[unit]}{unit}"
    return f"{size}B"


def _largest_time(seconds: float) -> str:
    for unit in ("d", "h", "min", "s"):
        if seconds % _SECONDS[unit] == 0:
            return f"{int(seconds // _SECONDS[unit])}{unit}"
    return f"{round(seconds * 1000)}ms"
