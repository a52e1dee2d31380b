"""BackupAgent makes backups, proves them by restoring them, and removes old ones."""

from __future__ import annotations

from datetime import timedelta

from agentpg.agents.surroundings import own_database
from agentpg.db import database_of
from agentpg.desk.backup.creating import CreateOptions, Step, create_backup, source_of
from agentpg.desk.backup.drilling import DrillOptions, Stage, run_drill
from agentpg.desk.backup.model import KINDS, Backup, Drill
from agentpg.desk.backup.pruning import apply_plan, plan_pruning, retention_of
from agentpg.desk.backup.storage.choosing import choose_backup
from agentpg.desk.backup.storage.keys import seal_for_opening, seal_of
from agentpg.desk.backup.storage.opening import open_repository
from agentpg.desk.backup.storage.sealing import Seal
from agentpg.errors import NoBackups, SourceUnclear, UsageError
from agentpg.tasks.handlers import App, Permanent
from agentpg.tasks.run import Run

NAME = "BackupAgent"

_VARIABLE = "AGENTPG_DSN_BACKUP"
_TIMEOUT = timedelta(hours=12)
_MOST_DIFFERENCES = 20

# A night at two; on Sundays, when that is long done, the drill; then what need not be kept. Where
# they are late, all at once, their priorities keep the order.
_SCHEDULES = (
    ("nightly-backup", "0 2 * * *", "make_backup", 100),
    ("weekly-drill", "0 4 * * sun", "drill_backup", 101),
    ("backup-pruning", "0 6 * * *", "prune_backups", 102),
)


def backup_app(time_zone: str = "UTC") -> App:
    """The handlers of BackupAgent, which need the setting `dsn_backup`, and their schedules in
    `time_zone`; one of its tasks runs at a time."""
    app = App()
    app.add(make_backup, agent_name=NAME, task_type="make_backup", timeout=_TIMEOUT)
    app.add(drill_backup, agent_name=NAME, task_type="drill_backup", timeout=_TIMEOUT)
    app.add(prune_backups, agent_name=NAME, task_type="prune_backups", timeout=_TIMEOUT)
    app.limit(NAME, concurrency=1)
    for name, cron, task_type, priority in _SCHEDULES:
        app.schedule(
            name,
            cron=cron,
            time_zone=time_zone,
            agent_name=NAME,
            task_type=task_type,
            priority=priority,
        )
    return app


def make_backup(run: Run, kind: str = "dump", scope: str | None = None) -> dict[str, object]:
    """Make a backup of this kind; `scope` is pgBackRest's full, diff or incr.

    The result has its name, size and what it holds. A cancelled task leaves no backup.
    """
    if kind not in KINDS:
        raise Permanent(f"kind is one of {', '.join(KINDS)}, not {kind!r}")
    database = own_database(run, _VARIABLE, run.settings.dsn_backup)
    settings = run.settings

    def tell(step: Step) -> None:
        run.check()
        if step.note:
            run.log.warning("%s", step.note.format_map(dict(step.values)))
        if step.total_bytes:
            run.progress(min(step.done_bytes / step.total_bytes, 1.0), step.work)

    try:
        repository = open_repository(settings)
        options = CreateOptions(
            kind=kind,
            jobs=settings.backup_jobs,
            compression="" if kind == "sql" else settings.backup_compression,
            lock_wait=settings.backup_lock_wait,
            pg_bin=settings.pg_bin,
            stages=settings.home.expanduser().absolute() / "stages",
            seal=seal_of(settings, repository),
            holder=database_of(settings.dsn_admin, settings) if settings.dsn_admin else None,
            more={} if scope is None else {"type": scope},
        )
        made = create_backup(database, repository, options, tell)
    except UsageError as error:
        raise Permanent(str(error)) from None
    run.log.info("made the backup %s", made.name)
    return _made(made)


def drill_backup(run: Run, name: str | None = None) -> dict[str, object]:
    """Prove a backup, the newest by default, by restoring it into a private server.

    The task fails where the drill failed or could not find out, with the reason; the drill's
    record is kept with the backup whatever it found.
    """
    database = own_database(run, _VARIABLE, run.settings.dsn_backup)
    settings = run.settings

    def open_seal(backup: Backup) -> Seal | None:
        return seal_for_opening(settings, repository, backup)

    def tell(stage: Stage) -> None:
        run.check()
        share = stage.done_bytes / stage.total_bytes if stage.total_bytes else 0.0
        run.progress(min(share, 1.0), stage.work)

    try:
        repository = open_repository(settings)
        backup = choose_backup(repository, name, lambda: source_of(database))
        options = DrillOptions(
            parent=settings.home.expanduser().absolute() / "scratch",
            pg_bin=settings.pg_bin,
            jobs=settings.backup_jobs,
            open_seal=open_seal,
        )
    except (UsageError, NoBackups, SourceUnclear) as error:
        raise Permanent(str(error)) from None
    drill = run_drill(repository, backup.name, options, tell)
    if drill.outcome != "passed":
        # Another attempt would restore the same files, and find the same.
        raise Permanent(_reason(drill))
    run.log.info("the backup %s is proved", backup.name)
    return {
        "backup": backup.name,
        "outcome": drill.outcome,
        "restore_seconds": drill.restore.total_seconds(),
        "checks": [check.name for check in drill.checks],
    }


def prune_backups(run: Run) -> dict[str, object]:
    """Remove the backups that the settings do not keep, where one that stays is proved.

    With them goes the archived WAL that no base backup needs. Nothing is removed where no drill has
    proved any of those that would stay.
    """
    database = own_database(run, _VARIABLE, run.settings.dsn_backup)
    removed: list[str] = []

    def told(backup: Backup) -> None:
        removed.append(backup.name)
        run.check()

    try:
        repository = open_repository(run.settings)
        plan = plan_pruning(repository, retention_of(run.settings), source_of(database))
    except UsageError as error:
        raise Permanent(str(error)) from None
    if plan.going and not plan.is_proved:
        raise Permanent(
            f"{len(plan.going)} backups could go, but no drill has proved any that stays"
        )
    apply_plan(repository, plan, told)
    run.log.info("removed %s backups and %s files of WAL", len(removed), plan.wal_going)
    return {
        "removed": removed,
        "kept": [backup.name for backup in plan.kept],
        "wal_files_removed": plan.wal_going,
    }


def _made(made: Backup) -> dict[str, object]:
    return {
        "name": made.name,
        "kind": made.kind,
        "taken_at": made.taken_at.isoformat(),
        "seconds": made.duration.total_seconds(),
        "size_bytes": made.size_bytes,
        "source_bytes": made.source_bytes,
        "tables": made.tables,
        "rows": made.rows,
        "sealed": bool(made.recipients),
    }


def _reason(drill: Drill) -> str:
    found = "; ".join(
        f"{check.name} {check.outcome}: {check.reason}"
        for check in drill.checks
        if check.outcome != "passed"
    )
    differences = [one.subject for check in drill.checks for one in check.differences]
    named = ", ".join(differences[:_MOST_DIFFERENCES])
    text = f"the drill of {drill.backup} is {drill.outcome}, and not passed: {found}"
    return f"{text}; differences in {named}" if named else text
