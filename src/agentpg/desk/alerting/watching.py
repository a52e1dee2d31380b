"""Watches whether the database answers and HealthAgent works; tells people itself where not.

What is known is held in a file below the home: alerts, silences, and messages that nobody has
taken yet. When the database is back, it gets what was decided meanwhile, and HealthAgent goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from uuid_utils.compat import uuid7

from agentpg.db import Database
from agentpg.desk.alerting.aside import Aside, Held, Waiting
from agentpg.desk.alerting.looking import UNLOOKED_CODE, look_at
from agentpg.desk.alerting.telling import deliver, look_around
from agentpg.errors import AgentpgError, Refused
from agentpg.language import N_
from agentpg.notify.alert import Alert
from agentpg.notify.condition import Condition, Remedy
from agentpg.notify.deciding import Case, Look, decide
from agentpg.notify.kept import HEALTH, Alerts, Snapshot, Undelivered, kept_alerts, messages
from agentpg.notify.policy import Policy
from agentpg.notify.sending import hand_over
from agentpg.settings import Settings

_log = logging.getLogger("agentpg.notify")

_NAME = "agentpg watch"
_PATIENCE_SECONDS = 5

# HealthAgent looks every minute; its worker may be restarted meanwhile.
_SILENT_AFTER = timedelta(minutes=5)

# What says something while the server does not answer.
_ROOMS_WITHOUT = ("connection", "disk")

_FIRST_WAIT = timedelta(minutes=1)
_LONGEST_WAIT = timedelta(hours=1)

IDLE_CODE = "N06"
IDLE = N_("the database answers, and takes no work: {why}")


class Watch:
    """One look after the other, `step` by step; `find_database` says where the engine's is."""

    def __init__(
        self,
        find_database: Callable[[], Database],
        settings: Settings,
        policy: Policy,
    ) -> None:
        self._find_database = find_database
        self._settings = settings
        self._policy = policy
        self._aside = Aside(settings.home.expanduser().absolute())
        self._begun = datetime.now(UTC)

    def step(self) -> None:
        """One look. Raises FileNotWritten, and Refused where the schema does not fit."""
        with self._aside.in_charge() as is_mine:
            if not is_mine:
                return
            database = self._find_database().with_patience(_PATIENCE_SECONDS)
            try:
                self._by_way_of(database)
            except Refused:
                raise
            except AgentpgError as trouble:
                self._past(database, trouble)

    def _by_way_of(self, database: Database) -> None:
        """Hold what the database knows; look around where HealthAgent does not."""
        with kept_alerts(database, _NAME) as alerts:
            self._merge(alerts)
            snapshot = alerts.snapshot(self._policy)
        self._aside.write(Held(alerts=snapshot.alerts, silences=snapshot.silences))
        if self._is_silent(snapshot):
            _log.warning("HealthAgent has not looked for long; looking in its place")
            monitor = Database(self._settings.dsn_monitor or database.dsn, database.schema)
            look_around(monitor, database, self._settings, self._policy)
            deliver(database, self._settings, self._policy)

    def _is_silent(self, snapshot: Snapshot) -> bool:
        looked = snapshot.looks.get(HEALTH)
        last = self._begun if looked is None else max(looked.looked_at, self._begun)
        return snapshot.now - last > _SILENT_AFTER

    def _merge(self, alerts: Alerts) -> None:
        """Give the database what was decided while it was away."""
        held = self._aside.read()
        if not held.ahead and not held.waiting:
            return
        ahead = [one for one in held.alerts if str(one.id) in held.ahead]
        fired = [one for one in ahead if one.fired_at is not None]
        unsent = [
            Undelivered(one.message, one.way, one.attempts, one.error) for one in held.waiting
        ]
        alerts.merge(fired, unsent)
        self._aside.write(replace(held, waiting=(), ahead=frozenset()))

    def _past(self, database: Database, trouble: AgentpgError) -> None:
        """Decide and tell without the database."""
        look = self._look_without(database, trouble)
        held = self._aside.read()
        now = datetime.now(UTC)
        case = Case(look=look, silences=held.silences, policy=self._policy, now=now, new_id=uuid7)
        decision = decide(held.alerts, case)
        new = [
            Waiting(message=message, way=way, due_at=now)
            for message in messages(decision, database.target(), now, direct=True)
            for way in self._policy.contacts[message.contact].ways
        ]
        held = Held(
            alerts=_after(held.alerts, decision.changed, decision.dropped),
            silences=held.silences,
            waiting=(*held.waiting, *new),
            ahead=held.ahead | {str(one.id) for one in decision.changed},
        )
        # Before anything is sent: who is killed then sends the same messages again, not new ones.
        self._aside.write(held)
        self._aside.write(replace(held, waiting=self._hand_over(held.waiting, now)))

    def _look_without(self, database: Database, trouble: AgentpgError) -> Look:
        """What can be found out while the server answers nobody, or takes no work."""
        look = look_at(database, self._settings, _ROOMS_WITHOUT, self._policy.least).look
        certain = [one for one in look.conditions if one.level != "unknown"]
        if not any(one.room == "connection" and one.level == "critical" for one in certain):
            # Who gets in may still not be able to write.
            certain.append(_idle(str(trouble)))
        return Look(
            conditions=certain,
            rooms=look.rooms | {"notify"},
            unknown=look.unknown | {UNLOOKED_CODE},
        )

    def _hand_over(self, waiting: Sequence[Waiting], now: datetime) -> list[Waiting]:
        """Those that nobody has taken."""
        left: list[Waiting] = []
        for one in waiting:
            if one.due_at > now:
                left.append(one)
                continue
            contact = self._policy.contacts[one.message.contact]
            try:
                hand_over(one.message, contact, one.way, self._settings)
            except AgentpgError as error:
                _log.warning("%s", error)
                wait = min(_FIRST_WAIT * 2**one.attempts, _LONGEST_WAIT)
                tried = replace(one, attempts=one.attempts + 1, error=str(error), due_at=now + wait)
                left.append(tried)
        return left


def _after(
    alerts: Sequence[Alert], changed: Sequence[Alert], dropped: Sequence[object]
) -> list[Alert]:
    kept = {one.id: one for one in alerts if one.id not in dropped}
    return list((kept | {one.id: one for one in changed}).values())


def _idle(why: str) -> Condition:
    return Condition(
        room="notify",
        code=IDLE_CODE,
        level="critical",
        subject="",
        sentence=IDLE,
        evidence={"why": why},
        cause=N_("its disk is full, it is read-only, or a standby answers"),
        remedies=(
            Remedy(sentence=N_("See what fills the disk."), command="agentpg doctor disk"),
            Remedy(sentence=N_("Look at the whole."), command="agentpg doctor"),
        ),
        proof=N_("Tasks are completed again."),
        contact="ops",
    )
