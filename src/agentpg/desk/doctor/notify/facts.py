"""What there is to tell people with, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from agentpg.db import Database
from agentpg.desk.check import Unlooked, looked
from agentpg.notify.kept import kept_alerts
from agentpg.notify.policy import policy_of
from agentpg.settings import Settings


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
    """All facts of the room; `ways` has those to each contact."""

    ways: dict[str, tuple[str, ...]]
    kept: Kept | Unlooked
    schema: str


def look_at_notices(database: Database, settings: Settings) -> Facts:
    """Look, as the role that monitors."""
    monitor = Database(settings.dsn_monitor or database.dsn, database.schema)

    def look() -> Kept:
        with kept_alerts(monitor.with_patience(3), "agentpg doctor") as alerts:
            return Kept(**alerts.state())

    contacts = policy_of(settings).contacts
    ways = {name: contact.ways for name, contact in contacts.items()}
    return Facts(ways=ways, kept=looked(look), schema=database.schema)
