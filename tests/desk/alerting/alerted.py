"""An installation that HealthAgent's functions look at, with a webhook for both contacts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from agentpg.db import Connection, Database, connect
from agentpg.desk.alerting.telling import Delivered, Told, deliver, look_around
from agentpg.notify.policy import policy_of
from agentpg.settings import load_settings
from tests.desk.backup.watched import Watched
from tests.hook_receiver import Receiver

Text = dict[str, list[str]]


class Alerted:
    """Looks as HealthAgent does; `pass_time` lets time pass for what the database keeps."""

    def __init__(self, database: Database, folder: Path, hook: Receiver, **settings: Any) -> None:
        self.database = database
        self.hook = hook
        self.watched = Watched(database, folder / "repository")
        self.settings = load_settings(
            **{
                **self.watched.settings,
                "dsn_monitor": database.dsn,
                "notify_dba_webhook": f"{hook.url}/dba",
                "notify_ops_webhook": f"{hook.url}/ops",
                "backup_recipients": "age1" + "q" * 58,
                "notify_routes": "disk=nobody connection=nobody notify=nobody N05=nobody",
                **settings,
            }
        )
        self.policy = policy_of(self.settings)

    def look(self) -> Told:
        """One look at every room whose turn it is."""
        return look_around(self.database, self.database, self.settings, self.policy)

    def look_at_backups(self) -> Text:
        """A look at the backups alone; what of them is told to whom."""
        self.run("UPDATE looks SET looked_at = now() - interval '1 day' WHERE room = 'backup'")
        told = self.look()
        assert told.looked.look.rooms == {"backup"}
        return {
            contact: [f"{e.kind} {e.alert.condition.code}" for e in events]
            for contact, events in told.decision.told.items()
        }

    def deliver(self) -> Delivered:
        """Hand over what is due."""
        return deliver(self.database, self.settings, self.policy)

    def pass_time(self, time: timedelta) -> None:
        """Let it have been so much earlier when anything was told or tried."""
        moments = ("since", "fired_at", "first_told_at", "told_at", "escalated_at", "resolved_at")
        shifted = ", ".join(f"{name} = {name} - %(time)s" for name in moments)
        self.run(f"UPDATE alerts SET {shifted}", time=time)
        self.run(
            "UPDATE outbox SET due_at = due_at - %(time)s, created_at = created_at - %(time)s",
            time=time,
        )
        self.run(
            "UPDATE silences SET ends_at = ends_at - %(time)s, begins_at = begins_at - %(time)s",
            time=time,
        )

    def run(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """A statement of the test's own."""
        connection: Connection[Any]
        with connect(self.database) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []
