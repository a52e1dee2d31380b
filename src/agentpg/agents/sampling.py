"""MaintenanceAgent keeps samples of the server and the tables, to be compared with later."""

from __future__ import annotations

from datetime import timedelta

from agentpg.agents.surroundings import own_database
from agentpg.desk.alerting.telling import forget_looks
from agentpg.desk.monitor.samples import keep_sample
from agentpg.tasks.handlers import App
from agentpg.tasks.run import Run
from agentpg.tasks.schedules import CatchUp

_TIMEOUT = timedelta(minutes=2)


def sampling_app() -> App:
    """The handler MaintenanceAgent/keep_sample, which needs the setting `dsn_admin`, and its
    schedule: every five minutes."""
    app = App()
    app.add(keep, agent_name="MaintenanceAgent", task_type="keep_sample", timeout=_TIMEOUT)
    app.schedule(
        "samples",
        cron="*/5 * * * *",
        agent_name="MaintenanceAgent",
        task_type="keep_sample",
        # A moment that has passed cannot be looked at.
        catch_up=CatchUp.SKIP,
        max_attempts=1,
    )
    return app


def keep(run: Run) -> dict[str, object]:
    """Keep the present moment. The result says when, and how large the database is."""
    owner = own_database(run, "AGENTPG_DSN_ADMIN", run.settings.dsn_admin)
    kept = keep_sample(owner)
    # HealthAgent itself may be a role that removes no tasks.
    forget_looks(owner)
    return {"taken_at": kept.taken_at.isoformat(), "bytes": kept.sample["bytes"]}
