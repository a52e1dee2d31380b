"""A look with all that follows, and the messages that are due, by way of the database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agentpg.db import Database
from agentpg.desk.alerting.looking import LookedAt, due_rooms, look_at
from agentpg.errors import AgentpgError
from agentpg.notify.deciding import Decision
from agentpg.notify.kept import HEALTH, Snapshot, kept_alerts
from agentpg.notify.message import Message
from agentpg.notify.policy import Policy
from agentpg.notify.sending import hand_over
from agentpg.settings import Settings

# Whose tasks do the looking and the telling.
AGENT, LOOK, TELL = "HealthAgent", "look", "tell"

_NAME = "agentpg notify"


@dataclass(frozen=True, slots=True)
class Told:
    """What a look has found, and what was decided; `is_due` says that messages wait."""

    looked: LookedAt
    decision: Decision
    is_due: bool


@dataclass(frozen=True, slots=True)
class Delivered:
    """How many messages were handed over, the reasons why others were not, and how many were
    dropped, since their way is no longer set."""

    sent: int
    errors: list[str]
    dropped: int = 0


def alert_keeper(monitor: Database, engine: Database) -> Database:
    """As whom alerts and messages are kept: the monitor's role where it may, else the engine's."""
    try:
        with kept_alerts(monitor, _NAME) as alerts:
            return monitor if alerts.may_keep() else engine
    except AgentpgError:
        return engine


def forget_looks(owner: Database) -> None:
    """Remove tasks of long ago that did the looking and the telling, as a role that may. Raises
    DatabaseUnavailable and its like."""
    with kept_alerts(owner, _NAME) as alerts:
        alerts.forget_looks(AGENT, (LOOK, TELL))


def look_around(monitor: Database, keeper: Database, settings: Settings, policy: Policy) -> Told:
    """Look at the rooms whose turn it is as the monitor's role, and keep as the keeper's what
    that means and the messages that it takes. Raises DatabaseUnavailable and its like."""
    with kept_alerts(keeper, _NAME) as alerts:
        before = alerts.snapshot(policy)
    rooms = due_rooms(before.looks, before.alerts, before.now)
    looked = look_at(monitor, settings, rooms, policy.least)
    with kept_alerts(keeper, _NAME) as alerts:
        decision = alerts.decide(looked.look, policy, looked.seconds)
        if _is_a_new_hour(before):
            alerts.forget(AGENT, (LOOK, TELL))
        return Told(looked, decision, alerts.is_due())


def _is_a_new_hour(before: Snapshot) -> bool:
    last = before.looks.get(HEALTH)
    return last is not None and last.looked_at.hour != before.now.hour


def deliver(
    keeper: Database, settings: Settings, policy: Policy, check: Callable[[], None] = lambda: None
) -> Delivered:
    """Hand over the messages that are due; `check` is called before each, and may raise.

    What is not taken comes due again later, with the same Message-ID; what has no way any more is
    dropped.
    """
    sent, dropped, errors, closed = 0, 0, list[str](), set[str]()
    with kept_alerts(keeper, _NAME) as alerts:
        while True:
            check()
            # Who has just not answered would keep the others waiting once for each message.
            posted = alerts.take(closed)
            if posted is None:
                return Delivered(sent, errors, dropped)
            if not policy.leads(posted.contact, posted.way):
                alerts.close(posted, way_is_gone(posted.contact, posted.way))
                dropped += 1
                continue
            why = reason_not_taken(posted.message, posted.way, policy, settings)
            if why is None:
                alerts.sent(posted)
                sent += 1
                continue
            alerts.not_sent(posted, why)
            errors.append(why)
            closed.add(posted.route)


def way_is_gone(contact: str, way: str) -> str:
    """Why a message is dropped, for the log and the outbox."""
    return f"the way {way} to {contact} is no longer set"


def reason_not_taken(message: Message, way: str, policy: Policy, settings: Settings) -> str | None:
    """Hand a message over. Gives why it was not taken, None where it was; never raises, so that
    one message does not keep back the others."""
    try:
        hand_over(message, policy.contacts[message.contact], way, settings)
    except AgentpgError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - see above
        return f"{type(error).__name__}: {error}"
    return None
