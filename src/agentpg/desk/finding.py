"""What a check says: one shape for doctor, tuning, security, backups and alerts.

A check that could not look says `unknown`, with the reason, and unknown is never ok.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from agentpg.language import Translate, untranslated

Level = Literal["ok", "info", "warning", "critical", "unknown"]
Contact = Literal["dba", "ops"]

# From the best to the worst. Unknown stands above warning: who cannot look may miss the worst.
LEVELS: tuple[Level, ...] = ("ok", "info", "warning", "unknown", "critical")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """What to do: a sentence, and the exact command or SQL where there is one.

    `destroys` says that it removes something, so that whoever offers it asks first.
    """

    sentence: str
    command: str = ""
    sql: str = ""
    destroys: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One statement of one check about one subject.

    `code` is stable, such as B03. `sentence` is a template that `evidence` fills, so that
    it can be said in another language; `evidence` has the numbers with their units in the
    names (`age_seconds`). `threshold` says what was compared with, and where that is set.
    """

    code: str
    level: Level
    subject: str
    sentence: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    threshold: str = ""
    remedies: Sequence[Remedy] = ()
    contact: Contact = "dba"

    def message(self, translate: Translate = untranslated) -> str:
        """The sentence with its values."""
        return translate(self.sentence).format_map({"subject": self.subject, **self.evidence})

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**dataclasses.asdict(self), "message": self.message()}


def worst(findings: Sequence[Finding]) -> Level:
    """The worst level of all; ok where there is none."""
    return max((found.level for found in findings), key=LEVELS.index, default="ok")


def at_or_above(findings: Sequence[Finding], level: Level) -> list[Finding]:
    """Those that are at least as bad as `level`, the worst first."""
    least = LEVELS.index(level)
    found = [one for one in findings if LEVELS.index(one.level) >= least]
    return sorted(found, key=lambda one: -LEVELS.index(one.level))
