"""Watches whether the database answers and HealthAgent works; tells people itself where not.

What is known is held in a file below the home: alerts, silences, and messages that nobody has
taken yet. When the database is back, it gets what was decided meanwhile, and HealthAgent goes on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from uuid_utils.compat import uuid7

from agentpg.db import Database, secured
from agentpg.desk.alerting.aside import Aside, Held, Waiting
from agentpg.desk.alerting.looking import UNLOOKED_CODE, look_at
from agentpg.desk.alerting.telling import (
    alert_keeper,
    deliver,
    look_around,
    reason_not_taken,
    way_is_gone,
)
from agentpg.errors import AgentpgError, Refused
from agentpg.language import N_
from agentpg.notify.alert import Alert
from agentpg.notify.condition import Condition, Remedy
from agentpg.notify.deciding import Case, Look, decide
from agentpg.notify.kept import HEALTH, Alerts, Snapshot, Undelivered, kept_alerts, messages
from agentpg.notify.patience import Patience
from agentpg.notify.policy import Policy
from agentpg.settings import Settings

_log = logging.getLogger("agentpg.notify")

_NAME = "agentpg watch"
_PATIENCE_SECONDS = 5

# HealthAgent looks every minute; its worker may be restarted meanwhile.
_SILENT_AFTER = timedelta(minutes=5)

# What says something while the server does not answer.
_ROOMS_WITHOUT = ("connection", "disk")

# A look, and then the messages.
_LONGEST_LOOK = timedelta(minutes=20)

_FIRST_WAIT = timedelta(minutes=1)
# A server whose disk hangs may let one in and never answer.
_PATIENCE = timedelta(minutes=2)
_HANGS = N_("it has not answered within 2 minutes")

_LONGEST_WAIT = timedelta(hours=1)
_MOST_DOUBLED = 10
_GIVEN_UP_AFTER = timedelta(days=1)

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
        self._begun = time.monotonic()
        self._has_worked = False
        self._patience = Patience(_PATIENCE)
        self._patience_for_looks = Patience(_LONGEST_LOOK)

    def step(self) -> None:
        """One look. Raises Refused where the schema has never fitted."""
        with self._aside.in_charge() as is_mine:
            if not is_mine:
                return
            database = self._find_database().with_patience(_PATIENCE_SECONDS)
            try:
                self._by_way_of(database)
            except Refused as trouble:
                if not self._has_worked:
                    raise
                self._past(database, str(trouble))
            except AgentpgError as trouble:
                self._past(database, str(trouble))
            except TimeoutError:
                self._past(database, _HANGS)

    def _by_way_of(self, database: Database) -> None:
        """Hold what the database knows; look around where HealthAgent does not."""
        keeper = self._patience.get(lambda: self._keeper(database), f"{_NAME}: begins")
        snapshot = self._patience.get(lambda: self._held_from(keeper), f"{_NAME}: asks")
        self._aside.write(Held(alerts=snapshot.alerts, silences=snapshot.silences))
        self._has_worked = True
        if self._is_silent(snapshot):
            _log.warning("HealthAgent has not looked for long; looking in its place")
            try:
                self._patience_for_looks.get(lambda: self._look_around(keeper), f"{_NAME}: looks")
            except TimeoutError:
                _log.warning("looking in the place of HealthAgent takes too long")

    def _keeper(self, database: Database) -> Database:
        monitor = self._settings.dsn_monitor
        if not monitor:
            return database
        patient = Database(monitor, database.schema).with_patience(_PATIENCE_SECONDS)
        return alert_keeper(patient, database)

    def _held_from(self, database: Database) -> Snapshot:
        with kept_alerts(database, _NAME) as alerts:
            _merge(self._aside.read(), alerts)
            return alerts.snapshot(self._policy)

    def _look_around(self, database: Database) -> None:
        dsn = secured(self._settings.dsn_monitor, self._settings)
        monitor = Database(dsn or database.dsn, database.schema)
        look_around(monitor, database, self._settings, self._policy)
        deliver(database, self._settings, self._policy)

    def _is_silent(self, snapshot: Snapshot) -> bool:
        if time.monotonic() - self._begun < _SILENT_AFTER.total_seconds():
            return False
        looked = snapshot.looks.get(HEALTH)
        return looked is None or abs(snapshot.now - looked.looked_at) > _SILENT_AFTER

    def _past(self, database: Database, trouble: str) -> None:
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

    def _look_without(self, database: Database, trouble: str) -> Look:
        """What can be found out while the server answers nobody, or takes no work."""
        look = look_at(database, self._settings, _ROOMS_WITHOUT, self._policy.least).look
        certain = [one for one in look.conditions if one.level != "unknown"]
        if not any(one.room == "connection" and one.level == "critical" for one in certain):
            # Who gets in may still not be able to write.
            certain.append(_idle(trouble))
        return Look(
            conditions=certain,
            rooms=look.rooms | {"notify"},
            unknown=look.unknown | {UNLOOKED_CODE},
        )

    def _hand_over(self, waiting: Sequence[Waiting], now: datetime) -> list[Waiting]:
        """Those that nobody has taken, and that have a way."""
        left, closed = list[Waiting](), set[str]()
        for one in waiting:
            if not self._policy.leads(one.message.contact, one.way):
                _log.warning("%s", way_is_gone(one.message.contact, one.way))
                continue
            if now < one.due_at <= now + 2 * _LONGEST_WAIT or one.route in closed:
                left.append(one)
                continue
            why = reason_not_taken(one.message, one.way, self._policy, self._settings)
            if why is None:
                continue
            _log.warning("%s", why)
            closed.add(one.route)
            if now - one.message.made_at < _GIVEN_UP_AFTER:
                left.append(_tried(one, why, now))
        return left


def _tried(waiting: Waiting, why: str, now: datetime) -> Waiting:
    doubled = min(waiting.attempts, _MOST_DOUBLED)
    due_at = now + min(_FIRST_WAIT * 2**doubled, _LONGEST_WAIT)
    return replace(waiting, attempts=waiting.attempts + 1, error=why, due_at=due_at)


def _merge(held: Held, alerts: Alerts) -> None:
    """Give the database what was decided while it was away."""
    if not held.ahead and not held.waiting:
        return
    ahead = [one for one in held.alerts if str(one.id) in held.ahead]
    fired = [one for one in ahead if one.fired_at is not None]
    unsent = [Undelivered(one.message, one.way, one.attempts, one.error) for one in held.waiting]
    alerts.merge(fired, unsent)


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
