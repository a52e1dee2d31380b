"""MaintenanceAgent keeps the tables small: it removes history that is older than it is kept."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

from agentpg.agents.surroundings import own_database, require_minutes
from agentpg.desk.removal import RemovalOptions, Removed, remove_history
from agentpg.desk.retention import policy_of
from agentpg.errors import RetentionTooShort
from agentpg.quantities import format_duration
from agentpg.tasks.handlers import App, Permanent
from agentpg.tasks.run import Run

_TIMEOUT = timedelta(hours=1)
_MOST_MINUTES = 50


def maintenance_app() -> App:
    """The handler MaintenanceAgent/remove_history; it needs the setting `dsn_admin`."""
    app = App()
    app.add(
        remove_old_history,
        agent_name="MaintenanceAgent",
        task_type="remove_history",
        timeout=_TIMEOUT,
    )
    return app


def remove_old_history(run: Run, minutes: int = 10) -> dict[str, object]:
    """Remove what is older than the settings keep, for at most so many minutes.

    The result says what went, and whether all of the history was looked at; if not, the
    next task goes on. Where the settings keep everything, nothing is done.
    """
    require_minutes(minutes, _MOST_MINUTES)
    database = own_database(run, "AGENTPG_DSN_ADMIN", run.settings.dsn_admin)
    try:
        policy = policy_of(run.settings)
    except RetentionTooShort as error:
        raise Permanent(str(error)) from None
    kept = {s: None if p is None else format_duration(p) for s, p in policy.periods()}
    if policy.keeps_all:
        return {**_document(Removed(complete=True)), "kept_for": kept}
    home = run.settings.home.expanduser().absolute()
    folder = run.settings.retention_archive
    options = RemovalOptions(
        policy=policy,
        archive=home / folder if folder else None,
        most=timedelta(minutes=minutes),
        own_task=run.task.id,
    )
    removed = remove_history(database, options, check=run.check)
    run.log.info("removed %s tasks of the history", removed.tasks)
    return {**_document(removed), "kept_for": kept}


def _document(removed: Removed) -> dict[str, object]:
    archive = None if removed.archive is None else str(removed.archive)
    return {**dataclasses.asdict(removed), "archive": archive}
