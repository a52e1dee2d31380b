"""What a check says: one shape for doctor, tuning, security, backups and alerts.

A check that could not look says `unknown`, with the reason, and unknown is never ok.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from agentpg.errors import AgentpgError
from agentpg.language import Translate, untranslated

Level = Literal["ok", "info", "warning", "critical", "unknown"]
Contact = Literal["dba", "ops"]

# What a remedy may cost. `manual` changes nothing by itself: it looks, or it is for a person.
# `safe` may be done by `agentpg doctor --fix`; the others lock, load or restart, or remove.
Risk = Literal["manual", "safe", "careful", "destroys"]

# From the best to the worst. Unknown stands above warning: who cannot look may miss the worst.
LEVELS: tuple[Level, ...] = ("ok", "info", "warning", "unknown", "critical")


class Reason(str):
    """Why something could not be done, which can be said in another language, too."""

    error: AgentpgError | None = None

    @classmethod
    def of(cls, error: AgentpgError) -> Reason:
        """What an error says."""
        reason = cls(error)
        reason.error = error
        return reason

    def __deepcopy__(self, memo: dict[int, Any]) -> Reason:
        """Itself: neither changes, and an error has no copy."""
        return self

    def said(self, translate: Translate) -> str:
        """In the reader's language."""
        return translate(str(self)) if self.error is None else self.error.message(translate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """What to do: a sentence, and the exact command or SQL where there is one.

    Its `risk` is `manual` where it looks, or only a person can do it; `safe` where it may be done
    by `agentpg doctor --fix`, and does no harm if it does not help; `careful` for locks, load or a
    restart; and `destroys` where something is gone afterwards. `undo` is the SQL that takes it
    back, where that is known.
    """

    sentence: str
    command: str = ""
    sql: str = ""
    undo: str = ""
    risk: Risk = "manual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One statement of one check about one subject.

    `code` is stable, such as B03. `sentence` is a template that `evidence` fills, so that
    it can be said in another language; `evidence` has the numbers with their units in the
    names (`age_seconds`). `threshold` says what was compared with, and where that is set.
    `cause` is what most likely lies behind it, a template like the sentence; the first remedy
    is the one to try first, and `proof` says how to know that it has worked. `stake` says what may
    come of it, and `source` who else asks for it, such as a benchmark. `thing` is what its alert
    goes by, where the subject is one instance of that, such as the newest backup or a process;
    None: the subject.
    """

    code: str
    level: Level
    subject: str
    sentence: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    threshold: str = ""
    cause: str = ""
    remedies: Sequence[Remedy] = ()
    proof: str = ""
    stake: str = ""
    source: str = ""
    contact: Contact = "dba"
    thing: str | None = None

    def message(self, translate: Translate = untranslated) -> str:
        """The sentence with its values."""
        return self._filled(self.sentence, translate)

    def reason(self, translate: Translate = untranslated) -> str:
        """The likely cause with its values; empty where none is known."""
        return self._filled(self.cause, translate) if self.cause else ""

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        said = {"message": self.message(), "cause": self.reason()}
        return {**dataclasses.asdict(self), **said}

    def _filled(self, text: str, translate: Translate) -> str:
        said = {"subject": self.subject, **self.evidence}
        if isinstance(why := said.get("why"), str):
            # A reason that is one of our sentences.
            said["why"] = why.said(translate) if isinstance(why, Reason) else translate(why)
        if isinstance(said.get("because"), str):
            # A reason that has values of its own.
            said["because"] = translate(said["because"]).format_map(said)
        return translate(text).format_map(said)


def worst(findings: Sequence[Finding]) -> Level:
    """The worst level of all; ok where there is none."""
    return max((found.level for found in findings), key=LEVELS.index, default="ok")


def at_or_above(findings: Sequence[Finding], level: Level) -> list[Finding]:
    """Those that are at least as bad as `level`, the worst first."""
    least = LEVELS.index(level)
    found = [one for one in findings if LEVELS.index(one.level) >= least]
    return sorted(found, key=lambda one: -LEVELS.index(one.level))
