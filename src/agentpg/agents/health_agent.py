"""HealthAgent looks at everything that the doctor knows, every minute, and tells people."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from agentpg.agents.surroundings import language_of, own_database
from agentpg.desk.alerting.telling import (
    AGENT,
    LOOK,
    TELL,
    alert_keeper,
    deliver,
    look_around,
)
from agentpg.notify.policy import policy_of
from agentpg.tasks.client import Client
from agentpg.tasks.handlers import App, Permanent
from agentpg.tasks.run import Run
from agentpg.tasks.schedules import CatchUp

_LOOK_TIMEOUT = timedelta(minutes=10)
_DELIVERY_TIMEOUT = timedelta(minutes=30)

# Before other work: where much waits, that is one of the things to be told.
_PRIORITY = 10


def health_app() -> App:
    """The handlers of HealthAgent, which need the setting `dsn_monitor`, and the schedule of its
    looks: every minute, one at a time."""
    app = App()
    app.add(look, agent_name=AGENT, task_type=LOOK, timeout=_LOOK_TIMEOUT, max_attempts=1)
    app.add(tell, agent_name=AGENT, task_type=TELL, timeout=_DELIVERY_TIMEOUT, max_attempts=1)
    app.limit(AGENT, task_type=LOOK, concurrency=1)
    app.limit(AGENT, task_type=TELL, concurrency=1)
    app.schedule(
        "health",
        cron="* * * * *",
        agent_name=AGENT,
        task_type=LOOK,
        # What was not looked at when it was time can't be looked at any more.
        catch_up=CatchUp.SKIP,
        priority=_PRIORITY,
        max_attempts=1,
    )
    return app


def look(run: Run) -> dict[str, object]:
    """Look at what is due, decide about the alerts, and have the messages delivered.

    The result says which rooms were looked at, what they found, and how many messages that made.
    """
    monitor = own_database(run, "AGENTPG_DSN_MONITOR", run.settings.dsn_monitor)
    policy = policy_of(run.settings, language_of(run))
    told = look_around(monitor, alert_keeper(monitor, run.database), run.settings, policy)
    if told.is_due:
        with Client(run.database, settings=run.settings) as client:
            client.submit(AGENT, TELL, priority=_PRIORITY)
    found = Counter(one.level for one in told.looked.look.conditions)
    return {
        "rooms": sorted(told.looked.look.rooms),
        "findings": dict(found),
        "told": {contact: len(events) for contact, events in told.decision.told.items()},
    }


def tell(run: Run) -> dict[str, object]:
    """Hand over the messages that are due. Those that nobody takes come due again later; those
    whose way is no longer set are dropped.

    Where nothing at all could be handed over, the task fails.
    """
    policy = policy_of(run.settings, language_of(run))
    monitor = own_database(run, "AGENTPG_DSN_MONITOR", run.settings.dsn_monitor)
    keeper = alert_keeper(monitor, run.database)
    delivered = deliver(keeper, run.settings, policy, run.check)
    for error in delivered.errors:
        run.log.warning("%s", error)
    if delivered.errors and not delivered.sent:
        raise Permanent(delivered.errors[0])
    if delivered.dropped:
        run.log.warning("%d messages are dropped: their way is no longer set", delivered.dropped)
    return {
        "sent": delivered.sent,
        "not_sent": len(delivered.errors),
        "dropped": delivered.dropped,
    }
