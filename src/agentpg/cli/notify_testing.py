"""A test message by each way to the contacts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from uuid_utils.compat import uuid7

from agentpg.errors import AgentpgError, NoWayToContact
from agentpg.language import N_
from agentpg.notify.alert import Alert, Event
from agentpg.notify.condition import Condition
from agentpg.notify.message import Message
from agentpg.notify.sending import hand_over

if TYPE_CHECKING:
    from agentpg.notify.policy import Contact, Policy
    from agentpg.settings import Settings


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one way; `error` None means that the message was taken."""

    contact: str
    way: str
    seconds: float
    error: AgentpgError | None


def tried(settings: Settings, policy: Policy, target: str, name: str | None) -> list[Tried]:
    """Try each way to one contact, or to both. Raises NoWayToContact where there is none."""
    chosen = [policy.contacts[name]] if name else list(policy.contacts.values())
    results = [_try(settings, contact, way, target) for contact in chosen for way in contact.ways]
    if not results:
        wanted = name or "dba"
        raise NoWayToContact(contact=name or "dba, ops", variable=wanted.upper())
    return results


def _try(settings: Settings, contact: Contact, way: str, target: str) -> Tried:
    begun = time.monotonic()
    try:
        hand_over(_message(contact, target), contact, way, settings)
    except AgentpgError as error:
        return Tried(contact.name, way, time.monotonic() - begun, error)
    return Tried(contact.name, way, time.monotonic() - begun, None)


def _message(contact: Contact, target: str) -> Message:
    now = datetime.now(UTC)
    condition = Condition(
        room="notify",
        code="N00",
        level="info",
        subject="",
        sentence=N_("this is a test, and nothing is wrong"),
        contact=contact.name,
    )
    alert = Alert(id=uuid7(), condition=condition, state="firing", since=now, seen_at=now)
    events = (Event(kind="test", alert=alert),)
    return Message(
        id=uuid7(), contact=contact.name, target=target, made_at=now, events=events, direct=True
    )
