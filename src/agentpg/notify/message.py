"""One message to one contact: all that has changed in one look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from agentpg.notify.alert import Alert, Event
from agentpg.notify.condition import LEVELS


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a contact is told. `target` is the installation in words, without a password;
    `direct` says that it was sent past the database, which is the trouble."""

    id: UUID
    contact: str
    target: str
    made_at: datetime
    events: Sequence[Event]
    direct: bool = False

    @property
    def is_over(self) -> bool:
        """Whether all of it is that something is well again."""
        return all(event.kind == "resolved" for event in self.events)

    @property
    def level(self) -> str:
        """The worst level of what fires."""
        levels = [e.alert.condition.level for e in self.events if e.kind != "resolved"]
        return max(levels, key=LEVELS.index, default="ok")

    @property
    def ref(self) -> str:
        """The same for each repeat of this message, so that a repeat can be recognised."""
        return f"{self.id}@agentpg"

    def document(self) -> dict[str, Any]:
        """As the outbox keeps it."""
        return {
            "id": str(self.id),
            "contact": self.contact,
            "target": self.target,
            "made_at": self.made_at.isoformat(),
            "direct": self.direct,
            "events": [{"kind": e.kind, "alert": e.alert.document()} for e in self.events],
        }

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Message:
        """What `document` gave."""
        return cls(
            id=UUID(str(document["id"])),
            contact=document["contact"],
            target=document["target"],
            made_at=datetime.fromisoformat(document["made_at"]),
            direct=document.get("direct", False),
            events=[
                Event(kind=one["kind"], alert=Alert.read(one["alert"]))
                for one in document["events"]
            ],
        )
