"""Alerts, messages and silences as the database has them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from uuid_utils.compat import uuid7

from agentpg.db import (
    Connection,
    Database,
    Jsonb,
    Statements,
    connect,
    dict_row,
    driver_errors,
)
from agentpg.notify.alert import Alert, Silence
from agentpg.notify.condition import Condition
from agentpg.notify.deciding import Case, Decision, Look, decide
from agentpg.notify.message import Message
from agentpg.notify.policy import Policy

# The row of `looks` that is HealthAgent's own.
HEALTH = "health"
# That of whoever goes on without it.
WATCH = "watch"

_ALERT = (
    "id",
    "state",
    "since",
    "seen_at",
    "looks",
    "clear",
    "returns",
    "fired_at",
    "resolved_at",
    "first_told_at",
    "told_at",
    "told_level",
    "escalated_at",
    "acked_at",
    "acked_by",
    "ack_note",
)


@dataclass(frozen=True, slots=True)
class Looked:
    """When a room was looked at last, and how many seconds that took."""

    room: str
    looked_at: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class Posted:
    """A message that is due, with its row in the outbox."""

    id: UUID
    contact: str
    way: str
    message: Message

    @property
    def route(self) -> str:
        """The contact with the way to it."""
        return f"{self.contact} {self.way}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is known now, to be held while the database is away."""

    now: datetime
    alerts: Sequence[Alert]
    silences: Sequence[Silence]
    looks: Mapping[str, Looked]


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A message that was tried without the database, and not taken."""

    message: Message
    way: str
    attempts: int
    error: str


class Alerts:
    """The alerts of one installation, over one connection."""

    def __init__(self, database: Database, connection: Connection[Any]) -> None:
        self._database = database
        self._connection = connection
        self._sql = Statements("notify", database.schema)

    def snapshot(self, policy: Policy) -> Snapshot:
        """What is there now."""
        with self._connection.transaction():
            now = self._begin()
            return Snapshot(now, self._alerts(policy), self.silences(), self.looks())

    def decide(self, look: Look, policy: Policy, seconds: Mapping[str, float]) -> Decision:
        """Decide about all alerts after a look, and keep it with the messages that it takes.

        `seconds` is how long the look at each room took.
        """
        with self._connection.transaction():
            now = self._begin()
            case = Case(look=look, silences=self.silences(), policy=policy, now=now, new_id=uuid7)
            decision = decide(self._alerts(policy), case)
            self._keep(decision.changed, is_late=False)
            if decision.dropped:
                self._run("drop_alerts", ids=list(decision.dropped))
            for message in messages(decision, self._database.target(), now):
                self._post(message, policy)
            self._note_looks({**seconds, HEALTH: sum(seconds.values())})
        return decision

    def forget(self, agent: str, task_types: Sequence[str]) -> None:
        """Remove what is long over: messages, alerts, silences, and, where the role may, the
        completed tasks of these types that did the looking."""
        with self._connection.transaction():
            self._run("limits")
            self._run("forget")
            if self._may("removes_tasks"):
                self._run("forget_looks", agent=agent, task_types=list(task_types))

    def forget_looks(self, agent: str, task_types: Sequence[str]) -> None:
        """Remove the completed tasks of these types that did the looking, long ago."""
        with self._connection.transaction():
            self._run("limits")
            self._run("forget_looks", agent=agent, task_types=list(task_types))

    def may_keep(self) -> bool:
        """Whether the role may keep alerts and messages. Raises SchemaMissing."""
        return self._may("keeps")

    def merge(self, alerts: Sequence[Alert], unsent: Sequence[Undelivered]) -> None:
        """Take over what was decided while the database was away.

        Of one thing that several machines have told of, the first one's alert stays. Something
        is written in any case, so that a database that takes nothing is found out.
        """
        with self._connection.transaction():
            self._begin()
            self._note_looks({WATCH: 0.0})
            kept = {one.fingerprint: one.id for one in self.open_alerts()}
            own = [one for one in alerts if kept.get(one.fingerprint, one.id) == one.id]
            self._keep(own, is_late=True)
            for one in unsent:
                self._run(
                    "repost",
                    id=uuid5(one.message.id, one.way),
                    contact=one.message.contact,
                    way=one.way,
                    message=Jsonb(one.message.document()),
                    created_at=one.message.made_at,
                    attempts=one.attempts,
                    error=one.error,
                )

    def open_alerts(self) -> list[Alert]:
        """Those that are open, the worst first."""
        return [_alert(row) for row in self._rows("open_alerts")]

    def silences(self) -> list[Silence]:
        """Those in force."""
        return [Silence(**row) for row in self._rows("silences")]

    def looks(self) -> dict[str, Looked]:
        """When each room was looked at last."""
        return {row["room"]: Looked(**row) for row in self._rows("looks")}

    def acknowledge(self, ids: Sequence[UUID], owner: str, note: str) -> None:
        """Note that somebody takes care of these."""
        with self._connection.transaction():
            self._begin()
            self._run("acknowledge", ids=list(ids), owner=owner, note=note or None)

    def silence(
        self, matchers: Mapping[str, str], owner: str, reason: str, lasts: timedelta
    ) -> Silence:
        """A new silence."""
        values = {"owner": owner, "reason": reason, "lasts": lasts}
        [row] = self._rows("silence", matchers=Jsonb(dict(matchers)), **values)
        return Silence(**row)

    def end_silences(self, ids: Sequence[UUID]) -> None:
        """End these now."""
        self._run("end_silences", ids=list(ids))

    def unreadable(self) -> tuple[str, list[str]]:
        """Our role, and those of our tables that it may not read."""
        rows = self._rows("unreadable", schema=self._database.schema)
        return (rows[0]["role"] if rows else ""), [row["name"] for row in rows]

    def state(self) -> dict[str, Any]:
        """What the doctor says of it; see `sql/notify.sql`."""
        [row] = self._rows("state")
        return row

    # The outbox.

    def is_due(self) -> bool:
        """Whether a message is due."""
        [row] = self._quickly("due")
        return bool(row["exists"])

    def take(self, closed: Collection[str] = ()) -> Posted | None:
        """The next message that is due, which nobody else gets for a while; None if none is.

        `closed` are the routes that are not to be gone now.
        """
        rows = self._quickly("take", closed=list(closed))
        if not rows:
            return None
        [row] = rows
        return Posted(row["id"], row["contact"], row["way"], Message.read(row["message"]))

    def sent(self, posted: Posted) -> None:
        """It was handed over."""
        self._quickly("sent", id=posted.id)

    def not_sent(self, posted: Posted, error: str) -> None:
        """It was not, for this reason."""
        self._quickly("not_sent", id=posted.id, error=error)

    def close(self, posted: Posted, reason: str) -> None:
        """It is not to be tried again, for this reason."""
        self._quickly("closed", id=posted.id, error=reason)

    def _may(self, what: str) -> bool:
        [row] = self._rows("may", schema=self._database.schema)
        return bool(row[what])

    def _begin(self) -> datetime:
        """Keep others from deciding until the end of the transaction; the moment."""
        self._run("limits")
        self._run("begin", schema=self._database.schema)
        [row] = self._rows("now")
        now: datetime = row["now"]
        return now

    def _alerts(self, policy: Policy) -> list[Alert]:
        return [_alert(row) for row in self._rows("alerts", recent=policy.return_window)]

    def _keep(self, changed: Sequence[Alert], *, is_late: bool) -> None:
        for one in changed:
            self._run("keep_alert", **_row(one), is_late=is_late)

    def _post(self, message: Message, policy: Policy) -> None:
        for way in policy.contacts[message.contact].ways:
            document = Jsonb(message.document())
            self._run("post", contact=message.contact, way=way, message=document)

    def _note_looks(self, seconds: Mapping[str, float]) -> None:
        self._run("note_looks", rooms=list(seconds), seconds=list(seconds.values()))

    def _quickly(self, statement: str, **values: object) -> list[dict[str, Any]]:
        with self._connection.transaction():
            self._run("limits")
            return self._rows(statement, **values)

    def _rows(self, statement: str, **values: object) -> list[dict[str, Any]]:
        with driver_errors(self._database.target(), self._connection):
            cursor = self._connection.cursor(row_factory=dict_row)
            cursor.execute(self._sql[statement], values)
            return cursor.fetchall() if cursor.description else []

    def _run(self, statement: str, **values: object) -> None:
        with driver_errors(self._database.target(), self._connection):
            self._connection.execute(self._sql[statement], values)


@contextmanager
def kept_alerts(database: Database, name: str) -> Iterator[Alerts]:
    """The alerts, with a connection that calls itself `name`. Raises DatabaseUnavailable."""
    with (
        connect(database, name) as connection,
        driver_errors(database.target(), connection),
    ):
        yield Alerts(database, connection)


def messages(
    decision: Decision, target: str, now: datetime, *, direct: bool = False
) -> Iterator[Message]:
    """One message for each contact that is told something."""
    for contact, events in decision.told.items():
        yield Message(
            id=uuid7(), contact=contact, target=target, made_at=now, events=events, direct=direct
        )


def _alert(row: Mapping[str, Any]) -> Alert:
    return Alert(
        condition=Condition.read(row["condition"]),
        told=tuple(row["told"]),
        **{name: row[name] for name in _ALERT},
    )


def _row(alert: Alert) -> dict[str, Any]:
    return {
        **{name: getattr(alert, name) for name in _ALERT},
        "fingerprint": alert.fingerprint,
        "code": alert.condition.code,
        "level": alert.condition.level,
        "condition": Jsonb(alert.condition.document()),
        "told": list(alert.told),
    }
