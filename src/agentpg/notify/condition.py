"""What is wrong, as a look has found it, in a form that can be kept and said later."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agentpg.language import Translate, untranslated

# From the best to the worst, as findings have them.
LEVELS = ("ok", "info", "warning", "unknown", "critical")

CONTACTS = ("dba", "ops")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """What to do: a sentence, and the command or SQL where there is one."""

    sentence: str
    command: str = ""
    sql: str = ""
    risk: str = "safe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One finding that may become an alert; the texts are templates that `evidence` fills.

    `thing` is what it is about where `subject` is one instance of that; None: the subject.
    """

    room: str
    code: str
    level: str
    subject: str
    sentence: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    threshold: str = ""
    cause: str = ""
    remedies: tuple[Remedy, ...] = ()
    proof: str = ""
    contact: str = "dba"
    thing: str | None = None

    def __post_init__(self) -> None:
        # What was found may be a name in bytes of no alphabet; neither jsonb nor mail take those.
        object.__setattr__(self, "subject", _fit(self.subject))
        object.__setattr__(self, "thing", _fit(self.thing))
        object.__setattr__(self, "evidence", _fit(dict(self.evidence)))
        object.__setattr__(self, "remedies", tuple(map(_fit_remedy, self.remedies)))

    @property
    def fingerprint(self) -> str:
        """The same for the same thing found again, whatever its level, numbers and instance."""
        thing = self.subject if self.thing is None else self.thing
        text = f"{self.room}\n{self.code}\n{thing}"
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]

    @property
    def page(self) -> str:
        """The page of the reference that is its runbook, below `docs`."""
        room = "notify" if self.code.startswith("N") else self.room
        return f"reference/findings/{room}.md#{self.code.lower()}"

    def message(self, translate: Translate = untranslated) -> str:
        """The sentence with its values."""
        return self._filled(self.sentence, translate)

    def reason(self, translate: Translate = untranslated) -> str:
        """The likely cause with its values; empty where none is known."""
        return self._filled(self.cause, translate) if self.cause else ""

    def document(self) -> dict[str, Any]:
        """As it is kept; values that JSON does not know become text."""
        kept: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self), default=str))
        return kept

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Condition:
        """What was kept, by this release or another one."""
        known = {one.name for one in dataclasses.fields(cls)}
        values = {name: value for name, value in document.items() if name in known}
        names = {one.name for one in dataclasses.fields(Remedy)}
        values["remedies"] = tuple(
            Remedy(**{name: value for name, value in remedy.items() if name in names})
            for remedy in document.get("remedies", ())
        )
        return cls(**values)

    def _filled(self, text: str, translate: Translate) -> str:
        said = {"subject": self.subject, **self.evidence}
        if isinstance(said.get("why"), str):
            # A reason that is one of our sentences.
            said["why"] = translate(said["why"])
        try:
            if isinstance(said.get("because"), str):
                # A reason that has values of its own.
                said["because"] = translate(said["because"]).format_map(said)
            return translate(text).format_map(said)
        except (KeyError, IndexError, ValueError):
            # Kept by another release: the template as it is says more than nothing.
            return translate(text)


def _fit(value: Any) -> Any:
    """The same, without what jsonb, files and mail can't have."""
    match value:
        case str():
            text = value.encode("utf-8", "backslashreplace").decode("utf-8")
            return text.replace("\0", "\\0")
        case float() if not math.isfinite(value):
            return str(value)
        case Mapping():
            return {str(_fit(name)): _fit(one) for name, one in value.items()}
        case list() | tuple():
            return [_fit(one) for one in value]
    return value


def _fit_remedy(remedy: Remedy) -> Remedy:
    return dataclasses.replace(remedy, command=_fit(remedy.command), sql=_fit(remedy.sql))


def at_least(level: str, least: str) -> bool:
    """Whether a level is as bad as `least`, or worse."""
    return LEVELS.index(level) >= LEVELS.index(least)
