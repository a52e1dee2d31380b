"""A message as Alertmanager posts it to webhooks (version 4), and as it takes alerts itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from agentpg.notify.alert import Event
from agentpg.notify.message import Message
from agentpg.notify.rendering import Wording, short_id

# What Alertmanager has for a moment that is not known yet.
_NEVER = "0001-01-01T00:00:00Z"


def document(message: Message, wording: Wording) -> dict[str, Any]:
    """The body of a webhook; `messageId` is ours, the same for each repeat."""
    alerts = alert_list(message, wording)
    return {
        "version": "4",
        "groupKey": f'{{}}/{{contact="{message.contact}"}}:{{instance="{message.target}"}}',
        "truncatedAlerts": 0,
        "status": "resolved" if message.is_over else "firing",
        "receiver": message.contact,
        "groupLabels": {"instance": message.target},
        "commonLabels": _common([one["labels"] for one in alerts]),
        "commonAnnotations": _common([one["annotations"] for one in alerts]),
        "externalURL": wording.runbook_url,
        "messageId": message.ref,
        "alerts": alerts,
    }


def alert_list(message: Message, wording: Wording) -> list[dict[str, Any]]:
    """The alerts alone, as `POST /api/v2/alerts` of Alertmanager takes them."""
    return [_alert(event, message.target, wording) for event in message.events]


def _alert(event: Event, target: str, wording: Wording) -> dict[str, Any]:
    alert, condition = event.alert, event.alert.condition
    over = event.kind == "resolved"
    labels = {
        "alertname": condition.code,
        "severity": condition.level,
        "room": condition.room,
        "subject": condition.subject,
        "contact": condition.contact,
        "instance": target,
    }
    first = condition.remedies[0] if condition.remedies else None
    annotations = {
        "summary": condition.message(wording.translate),
        "description": condition.reason(wording.translate),
        "threshold": condition.threshold,
        "remedy": wording.translate(first.sentence) if first else "",
        "command": (first.command or first.sql) if first else "",
        "runbook_url": f"{wording.runbook_url.rstrip('/')}/{condition.page}"
        if wording.runbook_url
        else "",
        "change": event.kind,
        "alert_id": short_id(alert.id),
    }
    return {
        "status": "resolved" if over else "firing",
        # Alertmanager has no empty values.
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {name: value for name, value in annotations.items() if value},
        "startsAt": _moment(alert.since),
        "endsAt": _moment(alert.resolved_at) if over else _NEVER,
        "generatorURL": "",
        "fingerprint": alert.fingerprint,
    }


def _common(mappings: list[dict[str, str]]) -> dict[str, str]:
    first, *others = mappings
    return {
        name: value
        for name, value in first.items()
        if all(other.get(name) == value for other in others)
    }


def _moment(value: datetime | None) -> str:
    return _NEVER if value is None else value.isoformat()
