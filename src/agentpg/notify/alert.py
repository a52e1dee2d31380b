"""An alert, a silence, and what happens to an alert that people are told of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Literal
from uuid import UUID

from agentpg.notify.condition import Condition

State = Literal["pending", "firing", "resolved"]
Kind = Literal["firing", "worse", "still", "escalated", "resolved", "test"]

_MOMENTS = (
    "since",
    "seen_at",
    "fired_at",
    "resolved_at",
    "first_told_at",
    "told_at",
    "escalated_at",
    "acked_at",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing that is wrong, from when it was first seen until it is well again.

    `looks` is how many looks in a row have found it, `clear` how many have not; `returns` how
    often it has come back soon after it was over. `told_level` is the level that was told last,
    `told` who was told.
    """

    id: UUID
    condition: Condition
    state: State
    since: datetime
    seen_at: datetime
    looks: int = 1
    clear: int = 0
    returns: int = 0
    fired_at: datetime | None = None
    resolved_at: datetime | None = None
    first_told_at: datetime | None = None
    told_at: datetime | None = None
    told_level: str | None = None
    told: tuple[str, ...] = ()
    escalated_at: datetime | None = None
    acked_at: datetime | None = None
    acked_by: str | None = None
    ack_note: str | None = None

    @property
    def fingerprint(self) -> str:
        """That of its condition."""
        return self.condition.fingerprint

    def document(self) -> dict[str, Any]:
        """As it is kept in a file or in a message."""
        values = {name: getattr(self, name) for name in self.__slots__}
        values |= {name: _text(values[name]) for name in _MOMENTS}
        return values | {
            "id": str(self.id),
            "condition": self.condition.document(),
            "told": list(self.told),
        }

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Alert:
        """What `document` gave."""
        values = {name: document[name] for name in cls.__slots__ if name in document}
        values |= {name: _moment(values.get(name)) for name in _MOMENTS}
        values["id"] = UUID(str(document["id"]))
        values["condition"] = Condition.read(document["condition"])
        values["told"] = tuple(document.get("told", ()))
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a contact is told of one alert: that it fires, is worse, still fires, is escalated
    because nobody has acknowledged it, or is over."""

    kind: Kind
    alert: Alert


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Alerts that match all of `matchers` are told to nobody until `ends_at`.

    A matcher is the name of a property, code, room, subject, level or contact, and a pattern with
    * and ?.
    """

    id: UUID
    matchers: Mapping[str, str]
    owner: str
    reason: str
    begins_at: datetime
    ends_at: datetime

    def covers(self, condition: Condition, now: datetime) -> bool:
        """Whether it keeps this one quiet at that moment."""
        return self.begins_at <= now < self.ends_at and all(
            fnmatchcase(str(getattr(condition, name)), pattern)
            for name, pattern in self.matchers.items()
        )

    def document(self) -> dict[str, Any]:
        """As it is kept in a file."""
        return {
            "id": str(self.id),
            "matchers": dict(self.matchers),
            "owner": self.owner,
            "reason": self.reason,
            "begins_at": self.begins_at.isoformat(),
            "ends_at": self.ends_at.isoformat(),
        }

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Silence:
        """What `document` gave."""
        return cls(
            id=UUID(str(document["id"])),
            matchers=document["matchers"],
            owner=document["owner"],
            reason=document["reason"],
            begins_at=datetime.fromisoformat(document["begins_at"]),
            ends_at=datetime.fromisoformat(document["ends_at"]),
        )


MATCHERS = ("code", "room", "subject", "level", "contact")


def _text(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _moment(value: object) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None
