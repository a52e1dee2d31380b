"""Errors of the server itself in the end of its log, each by its form: nothing else is taken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from agentpg.desk.doctor.slow.facts import Trouble

_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_AGE = timedelta(days=1)

# The first in a line says what it is: a statement may have anything.
_SEVERITY = re.compile(r"\b[A-Z]+[1-5]?:  ")

# What each kind is told by, in the server's own words (src/backend, errmsg); the first that fits.
_FORMS = {
    "shared memory": re.compile(
        r"(?:ERROR|FATAL):\s+could not (?:resize|open|create) shared memory segment"
    ),
    "temporary files": re.compile(r"ERROR:\s+temporary file size exceeds"),
    "no room": re.compile(r"(?:ERROR|FATAL|PANIC):\s.*No space left on device"),
    "damage": re.compile(
        r"ERROR:\s+(?:invalid page in block|could not read block|missing chunk number"
        r"|unexpected chunk number|invalid memory alloc request size)"
    ),
    "locks": re.compile(r"ERROR:\s+out of shared memory"),
    "memory": re.compile(r"(?:ERROR|FATAL):\s+out of memory"),
    "killed": re.compile(r"LOG:\s+.*was terminated by signal \d+"),
}


def troubles_of(text: str, now: datetime | None = None) -> Iterator[Trouble]:
    """What a log tells of each kind, without what is older than a day."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        kind, at = _kind_of(line), _TIME.search(line)
        if kind is not None and at is not None and not _is_old(at[0], now):
            found.setdefault(kind, []).append(at[0])
    for kind, times in found.items():
        ago = _ago(times[-1], now)
        seconds = None if ago is None else ago.total_seconds()
        yield Trouble(kind=kind, times=len(times), last_at=times[-1], seconds_ago=seconds)


def _kind_of(line: str) -> str | None:
    said = _SEVERITY.search(line)
    if said is None:
        return None
    message = line[said.start() :]
    return next((kind for kind, form in _FORMS.items() if form.match(message)), None)


def _is_old(at: str, now: datetime | None) -> bool:
    ago = _ago(at, now)
    return ago is not None and ago > _AGE


def _ago(at: str, now: datetime | None) -> timedelta | None:
    """How long ago, by the zone that the log is written in, which `now` has."""
    if now is None:
        return None
    try:
        return now.replace(tzinfo=None) - datetime.fromisoformat(at)
    except ValueError:
        return None
