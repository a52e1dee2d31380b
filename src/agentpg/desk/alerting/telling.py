"""A look with all that follows, and the messages that are due, by way of the database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agentpg.db import Database
from agentpg.desk.alerting.looking import LookedAt, due_rooms, look_at
from agentpg.errors import AgentpgError
from agentpg.notify.deciding import Decision
from agentpg.notify.kept import kept_alerts
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
    """How many messages were handed over, and the reasons why others were not."""

    sent: int
    errors: list[str]


def look_around(monitor: Database, engine: Database, settings: Settings, policy: Policy) -> Told:
    """Look at the rooms whose turn it is as the monitor's role, and keep as the engine's what
    that means and the messages that it takes. Raises DatabaseUnavailable and its like."""
    with kept_alerts(engine, _NAME) as alerts:
        before = alerts.snapshot(policy)
    rooms = due_rooms(before.looks, before.alerts, before.now)
    looked = look_at(monitor, settings, rooms, policy.least)
    with kept_alerts(engine, _NAME) as alerts:
        decision = alerts.decide(looked.look, policy, looked.seconds)
        if before.now.minute == 0:
            alerts.forget(AGENT, (LOOK, TELL))
        return Told(looked, decision, alerts.is_due())


def deliver(
    engine: Database, settings: Settings, policy: Policy, check: Callable[[], None] = lambda: None
) -> Delivered:
    """Hand over the messages that are due; `check` is called before each, and may raise.

    What is not taken comes due again later, with the same Message-ID.
    """
    sent, errors = 0, list[str]()
    with kept_alerts(engine, _NAME) as alerts:
        while True:
            check()
            posted = alerts.take()
            if posted is None:
                return Delivered(sent, errors)
            contact = policy.contacts[posted.contact]
            try:
                hand_over(posted.message, contact, posted.way, settings)
            except AgentpgError as error:
                alerts.not_sent(posted, str(error))
                errors.append(str(error))
            except Exception as error:  # noqa: BLE001 - one message must not keep back the others
                why = f"{type(error).__name__}: {error}"
                alerts.not_sent(posted, why)
                errors.append(why)
            else:
                alerts.sent(posted)
                sent += 1
