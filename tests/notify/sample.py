"""Alerts and messages as tests need them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from agentpg.notify.alert import Alert, Event, Kind
from agentpg.notify.condition import Condition, Remedy
from agentpg.notify.message import Message

NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def a_condition(code: str = "B01", level: str = "critical", **other: Any) -> Condition:
    """One of the backup room: its sentence and its cause are the doctor's own."""
    said: dict[str, Any] = {
        "room": "backup",
        "subject": "",
        "sentence": "there is no backup",
        "evidence": {"age_seconds": 216_000.0, "size_bytes": 17_825_792, "names": ["a", "b"]},
        "threshold": "> 26 h / > 50 h",
        "cause": "no backup has been made, or the repository is another one",
        "remedies": (Remedy(sentence="Make one.", command="agentpg backup create"),),
        "proof": "`agentpg backup list` shows it.",
        "contact": "ops",
    }
    return Condition(code=code, level=level, **{**said, **other})


def an_alert(condition: Condition | None = None, **other: Any) -> Alert:
    """One that fires since ten minutes."""
    said: dict[str, Any] = {
        "id": uuid7(),
        "condition": condition or a_condition(),
        "state": "firing",
        "since": NOW - 10 * MINUTE,
        "seen_at": NOW,
    }
    return Alert(**{**said, **other})


def a_message(*alerts: Alert, kind: Kind = "firing", contact: str = "ops") -> Message:
    """One message about these."""
    events = [Event(kind=kind, alert=one) for one in alerts or (an_alert(),)]
    return Message(
        id=UUID("0198c1a2-0000-7000-8000-000000000001"),
        contact=contact,
        target="db.internal:5432/agentic_ai",
        made_at=NOW,
        events=events,
    )
