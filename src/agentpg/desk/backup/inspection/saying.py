"""How the findings of backups are put: amounts in words, and what the checks have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from agentpg.desk.backup.inspection.facts import Facts, Unlooked
from agentpg.desk.backup.inspection.policy import Policy
from agentpg.desk.finding import Contact, Finding, Level, Remedy
from agentpg.language import N_

_UNLOOKED = N_("it could not be looked at: {why}")

_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
_SIZES = ("B", "kB", "MB", "GB", "TB")


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupCheck:
    """One check: its code, what it looks at, and what it says of facts.

    `levels` are those that it may give besides ok and unknown; `threshold` says when.
    """

    code: str
    title: str
    levels: tuple[Level, ...]
    threshold: str
    contact: Contact
    decide: Callable[[Say, Facts, Policy], Finding]


@dataclass(frozen=True, slots=True)
class Say:
    """Says what one check has found, with its code, threshold and contact."""

    check: BackupCheck

    def __call__(
        self,
        level: Level,
        sentence: str,
        subject: str = "",
        remedies: Sequence[Remedy] = (),
        **evidence: Any,
    ) -> Finding:
        return Finding(
            code=self.check.code,
            level=level,
            subject=subject,
            sentence=sentence,
            evidence=evidence,
            threshold=self.check.threshold,
            remedies=tuple(remedies),
            contact=self.check.contact,
        )

    def unknown(self, what: Unlooked, *remedies: Remedy) -> Finding:
        """It could not be looked at."""
        return self("unknown", _UNLOOKED, remedies=remedies, why=what.reason)


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
    for unit in _SIZES[:-1]:
        if value < 1024:
            return f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.3g} {_SIZES[-1]}"


def by(value: float, warning: float, critical: float) -> Level:
    """The level of what is worse the more it is."""
    if value > critical:
        return "critical"
    return "warning" if value > warning else "ok"
