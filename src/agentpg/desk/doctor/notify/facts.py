"""What there is to tell people with, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from agentpg.db import Database, secured
from agentpg.desk.check import Unlooked, looked
from agentpg.language import N_
from agentpg.notify.kept import kept_alerts
from agentpg.notify.policy import policy_of
from agentpg.settings import Settings

_UNREADABLE = Unlooked(N_("permission denied for the tables of alerts"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the database knows: messages that were tried and not taken (`waiting`, since when),
    those given up within a week, the last reason; how long HealthAgent has not looked, None where
    it never has; silences in force; critical alerts that nobody has acknowledged although both
    contacts were told more than an hour ago."""

    waiting: int
    given_up: int
    waiting_since: datetime | None
    last_error: str | None
    unlooked: timedelta | None
    silences: int
    unheeded: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All facts of the room; `ways` has those to each contact, `role` is who looks."""

    ways: dict[str, tuple[str, ...]]
    kept: Kept | Unlooked
    schema: str
    role: str = "monitor"


def look_at_notices(database: Database, settings: Settings) -> Facts:
    """Look, as the role that monitors."""
    monitor = database.by_way_of(secured(settings.dsn_monitor, settings))

    contacts = policy_of(settings).contacts
    ways = {name: contact.ways for name, contact in contacts.items()}
    found = looked(lambda: _look(monitor))
    if isinstance(found, Unlooked):
        return Facts(ways=ways, kept=found, schema=database.schema)
    kept, role = found
    return Facts(ways=ways, kept=kept, schema=database.schema, role=role)


def _look(monitor: Database) -> tuple[Kept | Unlooked, str]:
    """What is kept, or that the role may not read it, and which that is."""
    with kept_alerts(monitor.with_patience(3), "agentpg doctor") as alerts:
        role, unreadable = alerts.unreadable()
        return (_UNREADABLE if unreadable else Kept(**alerts.state())), role
