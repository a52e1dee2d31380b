"""Notifications: the channel of one installation, and waiting on it."""

from __future__ import annotations

from datetime import timedelta

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Identifier


def channel_of(schema: str) -> str:
    """The channel on which an installation's workers are told what cannot wait."""
    return f"agentpg_{schema}"


def work_channel_of(schema: str) -> str:
    """The channel on which idle workers are told that there is something to claim."""
    return f"agentpg_{schema}_work"


def listen(connection: Connection[TupleRow], channel: str) -> None:
    """Subscribe to `channel`."""
    connection.execute(SQL("LISTEN {}").format(Identifier(channel)))


def next_notifications(connection: Connection[TupleRow], timeout: timedelta) -> set[str]:
    """The payloads that arrive within `timeout`; returns early with the first of them."""
    arrived = connection.notifies(timeout=timeout.total_seconds(), stop_after=1)
    return {notification.payload for notification in arrived}
