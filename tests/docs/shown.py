"""Comparing what a page shows with what a command printed.

Every line that is shown must be printed, in this order; lines between may be left out. In a
line, `…` stands for anything, widths of space do not matter, and neither do the values that
differ from one time to the next: ids, moments, durations, sizes and other measures.
"""

from __future__ import annotations

import re

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_MOMENT = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?:[+-]\d\d(?::?\d\d)?|Z)?"
_UNIT = r"(?:ms|s|min|h|d|B|kB|MB|GB|bytes)\b"
_MEASURE = rf"\d+(?:\.\d+)?\s?{_UNIT}(?:\s\d+\s?{_UNIT})?"
_DECIMAL = r"\d+\.\d+"
_LARGE = r"\d{5,}"

# In this order: a uuid holds numbers too.
_VARYING = (_UUID, _MOMENT, _MEASURE, _DECIMAL, _LARGE)
_PIECES = re.compile("|".join(f"({kind})" for kind in (*_VARYING, "…", r"\s+")))


def missing_line(shown: str, printed: str) -> str | None:
    """The first line of `shown` that `printed` does not have where it should; None if all are.

    >>> missing_line("a 1.5 s", "x\\na  2.25 s\\n")
    >>> missing_line("b", "a\\n")
    'b'
    """
    lines = iter(printed.splitlines())
    for line in filter(str.strip, shown.splitlines()):
        pattern = _pattern(line.strip())
        if not any(pattern.fullmatch(candidate.strip()) for candidate in lines):
            return line
    return None


def _pattern(line: str) -> re.Pattern[str]:
    parts, end = [], 0
    for found in _PIECES.finditer(line):
        parts.append(re.escape(line[end : found.start()]))
        parts.append(_loosely(found))
        end = found.end()
    return re.compile("".join(parts) + re.escape(line[end:]))


def _loosely(found: re.Match[str]) -> str:
    if found[0] == "…":
        return ".*"
    if found[0].isspace():
        return r"\s+"
    assert found.lastindex is not None
    return f"(?:{_VARYING[found.lastindex - 1]})"
