"""What every check has, whatever it looks at, and how what it found is put."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from agentpg.desk.finding import Contact, Finding, Level, Reason, Remedy
from agentpg.errors import AgentpgError
from agentpg.language import N_
from agentpg.quantities import format_duration, size_in_short

T = TypeVar("T")

_UNLOOKED = N_("it could not be looked at: {why}")

# What a system says most often where it lets nobody look.
_OF_SYSTEM = {
    errno.EACCES: N_("permission denied"),
    errno.EPERM: N_("permission denied"),
    errno.ENOENT: N_("it is not there"),
    errno.ENOTDIR: N_("it is not there"),
}

# A UUID, or a number.
_OF_ONE = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+", re.IGNORECASE)

_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check: its code, what it looks at, and what is known of it before it looks.

    `levels` are those that it may give besides ok and unknown; `threshold` says when, and
    where that comes from. `cause` is what mostly lies behind a finding, `proof` how to know
    that a remedy has helped. `stake` is what may come of it, `source` who else asks for it, such as
    a benchmark with its number. `meaning` and `idea` (of the remedies) are for the reference alone,
    where the title and the findings' own remedies need more words.
    """

    code: str
    title: str
    levels: tuple[Level, ...]
    threshold: str
    contact: Contact
    cause: str = ""
    proof: str = ""
    stake: str = ""
    source: str = ""
    meaning: str = ""
    idea: str = ""


@dataclass(frozen=True, slots=True)
class Unlooked:
    """What could not be looked at, and why. Never good news."""

    reason: str


def looked(look: Callable[[], T]) -> T | Unlooked:
    """What `look` gives, or why it could not look."""
    try:
        return look()
    except AgentpgError as error:
        return Unlooked(Reason.of(error))
    except OSError as error:
        return Unlooked(_OF_SYSTEM.get(error.errno or 0) or error.strerror or str(error))


@dataclass(frozen=True, slots=True)
class Say:
    """Says what one check has found, with its code, threshold and contact.

    `thresholds` are those that settings have changed or may have, by the code of their check.
    """

    check: Check
    thresholds: Mapping[str, str] = field(default_factory=dict)

    def __call__(
        self,
        level: Level,
        sentence: str,
        subject: str = "",
        remedies: Sequence[Remedy] = (),
        *,
        cause: str = "",
        thing: str | None = None,
        **evidence: Any,
    ) -> Finding:
        """A finding; `cause` says more of the cause than the check knows of itself, `thing` what
        its alert goes by where the subject is one instance."""
        # What is well has no cause, and what could not be looked at another one.
        amiss = level not in ("ok", "unknown")
        return Finding(
            code=self.check.code,
            level=level,
            subject=subject,
            sentence=sentence,
            evidence=evidence,
            threshold=self.thresholds.get(self.check.code, self.check.threshold),
            cause=cause or (self.check.cause if amiss else ""),
            remedies=tuple(remedies),
            proof=self.check.proof if amiss else "",
            stake=self.check.stake if amiss else "",
            source=self.check.source,
            contact=self.check.contact,
            thing=thing,
        )

    def unknown(self, what: Unlooked, *remedies: Remedy) -> Finding:
        """It could not be looked at."""
        return self("unknown", _UNLOOKED, remedies=remedies, why=what.reason)


def of_any(name: str) -> str:
    """A name without what one instance has alone, ids and numbers.

    >>> of_any("agentpg worker 0198c1a2-0000-7000-8000-000000000001"), of_any("tx_17")
    ('agentpg worker …', 'tx_…')
    """
    return _OF_ONE.sub("…", name)


def exactly(value: timedelta) -> str:
    """A time as a threshold has it: 26 h, 8 d."""
    text = format_duration(value)
    unit = text.lstrip("0123456789.")
    return f"{text.removesuffix(unit)} {unit}"


def amount(value: timedelta | float) -> str:
    """A time in its largest fitting unit: 27 h, 9.5 d, 45 s."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    for unit, length in _UNITS:
        # Up to two of a unit are said in the next smaller one.
        if seconds >= 2 * length or length == 1:
            return f"{round(seconds / length, 1):g} {unit}"
    raise AssertionError("the last unit fits everything")


def size(value: float) -> str:
    """Bytes, in units of 1024: 17 MB."""
    return size_in_short(value)


def by(value: float, warning: float, critical: float) -> Level:
    """The level of what is worse the more it is."""
    if value > critical:
        return "critical"
    return "warning" if value > warning else "ok"
