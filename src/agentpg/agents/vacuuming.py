"""MaintenanceAgent vacuums and analyses the tables that the server's autovacuum falls behind on."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import Any

from agentpg.agents.surroundings import own_database, require_minutes
from agentpg.desk.tune.keeping_up import KeepUpOptions, KeptUp, keep_up
from agentpg.desk.tune.long_vacuums import Unfinished
from agentpg.errors import VacuumThroughPooler
from agentpg.tasks.client import Client
from agentpg.tasks.handlers import App, Permanent
from agentpg.tasks.run import Run
from agentpg.tasks.schedules import CatchUp

_AGENT, _TYPE = "MaintenanceAgent", "vacuum_tables"

_TIMEOUT = timedelta(hours=1)
_MOST_MINUTES = 50


def vacuuming_app() -> App:
    """The handler MaintenanceAgent/vacuum_tables, which needs the setting `dsn_admin`, and its
    schedule: every hour, at a time when no backup begins."""
    app = App()
    app.add(
        vacuum_tables,
        agent_name=_AGENT,
        task_type=_TYPE,
        timeout=_TIMEOUT,
    )
    app.schedule(
        "vacuum",
        cron="20 * * * *",
        agent_name=_AGENT,
        task_type=_TYPE,
        # The next hour looks at the same tables.
        catch_up=CatchUp.SKIP,
        max_attempts=1,
    )
    return app


def vacuum_tables(run: Run, minutes: int = 10) -> dict[str, object]:
    """See to the tables that need it most, for at most so many minutes, and then to those whose
    vacuum was cut off the last time: these have longer, up to 50 minutes in all.

    The result says of each table what was done and why, or why it was left. Nobody has to wait:
    it is never the rewrite, and what others work on is left for the next time.
    """
    require_minutes(minutes, _MOST_MINUTES)
    database = own_database(run, "AGENTPG_DSN_ADMIN", run.settings.dsn_admin)
    longest = timedelta(minutes=max(minutes, _MOST_MINUTES))
    options = KeepUpOptions(most=timedelta(minutes=minutes), longest=longest)
    try:
        kept = keep_up(database, options, run.check, unfinished=_unfinished(run))
    except VacuumThroughPooler as error:
        raise Permanent(str(error)) from None
    _tell(run, kept)
    return {**dataclasses.asdict(kept), "unfinished": [_document(one) for one in kept.unfinished]}


def _unfinished(run: Run) -> list[Unfinished]:
    """What the last task has left unfinished, by its result."""
    with Client(run.database, settings=run.settings) as client:
        found = client.find(agent_name=_AGENT, task_type=_TYPE, status="completed", limit=1)
    result: Any = found[0].result if found else None
    try:
        return [_remembered(one) for one in result["unfinished"]]
    except (KeyError, TypeError, ValueError):
        # Another version's, or somebody else's: nothing is remembered then.
        return []


def _document(one: Unfinished) -> dict[str, Any]:
    return {**dataclasses.asdict(one), "tried_at": one.tried_at.isoformat()}


def _remembered(told: dict[str, Any]) -> Unfinished:
    return Unfinished(**{**told, "tried_at": datetime.fromisoformat(told["tried_at"])})


def _tell(run: Run, kept: KeptUp) -> None:
    for one in kept.done:
        run.log.info("%s %s in %s s: %s", one.did, one.table, one.seconds, one.why)
    for left in kept.left:
        run.log.warning("left %s (%s): %s", left.table, left.need, left.why)
