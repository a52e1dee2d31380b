"""MaintenanceAgent vacuums and analyses the tables that the server's autovacuum falls behind on."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

from agentpg.agents.surroundings import own_database, require_minutes
from agentpg.desk.tune.keeping_up import KeepUpOptions, KeptUp, keep_up
from agentpg.errors import VacuumThroughPooler
from agentpg.tasks.handlers import App, Permanent
from agentpg.tasks.run import Run
from agentpg.tasks.schedules import CatchUp

_TIMEOUT = timedelta(hours=1)
_MOST_MINUTES = 50


def vacuuming_app() -> App:
    """The handler MaintenanceAgent/vacuum_tables, which needs the setting `dsn_admin`, and its
    schedule: every hour, at a time when no backup begins."""
    app = App()
    app.add(
        vacuum_tables,
        agent_name="MaintenanceAgent",
        task_type="vacuum_tables",
        timeout=_TIMEOUT,
    )
    app.schedule(
        "vacuum",
        cron="20 * * * *",
        agent_name="MaintenanceAgent",
        task_type="vacuum_tables",
        # The next hour looks at the same tables.
        catch_up=CatchUp.SKIP,
        max_attempts=1,
    )
    return app


def vacuum_tables(run: Run, minutes: int = 10) -> dict[str, object]:
    """See to the tables that need it most, for at most so many minutes.

    The result says of each table what was done and why, or why it was left. Nobody has to wait:
    it is never the rewrite, and what others work on is left for the next time.
    """
    require_minutes(minutes, _MOST_MINUTES)
    database = own_database(run, "AGENTPG_DSN_ADMIN", run.settings.dsn_admin)
    options = KeepUpOptions(most=timedelta(minutes=minutes))
    try:
        kept = keep_up(database, options, run.check)
    except VacuumThroughPooler as error:
        raise Permanent(str(error)) from None
    _tell(run, kept)
    return dataclasses.asdict(kept)


def _tell(run: Run, kept: KeptUp) -> None:
    for one in kept.done:
        run.log.info("%s %s in %s s: %s", one.did, one.table, one.seconds, one.why)
    for left in kept.left:
        run.log.warning("left %s (%s): %s", left.table, left.need, left.why)
