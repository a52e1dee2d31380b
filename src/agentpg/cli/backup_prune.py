"""`agentpg backup prune`."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

import click

from agentpg.audit.acting import Action
from agentpg.cli import figures
from agentpg.cli.command import Command
from agentpg.cli.output import Column, json_option
from agentpg.cli.session import Session
from agentpg.errors import UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.backup.model import Backup
    from agentpg.desk.backup.pruning import Plan, Retention

# So long is the name of a segment, before what the archive adds to it.
_SEGMENT_NAME = 24


@click.command(
    "prune",
    cls=Command,
    examples="""
        agentpg backup prune --dry-run
        agentpg backup prune --keep-last 3 --keep-monthly 12
        # In a script.
        agentpg backup prune --yes
    """,
)
@click.option("--keep-last", type=click.IntRange(1), help="How many of the last ones are kept.")
@click.option(
    "--keep-daily", type=click.IntRange(0), help="Of how many days that have one the last is kept."
)
@click.option(
    "--keep-weekly",
    type=click.IntRange(0),
    help="Of how many weeks that have one the last is kept.",
)
@click.option(
    "--keep-monthly",
    type=click.IntRange(0),
    help="Of how many months that have one the last is kept.",
)
@click.option(
    "--every-database",
    is_flag=True,
    help="The backups of all databases in the repository, without asking this one's server.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would go.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def prune(
    session: Session,
    keep_last: int | None,
    keep_daily: int | None,
    keep_weekly: int | None,
    keep_monthly: int | None,
    every_database: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Remove old backups of this database: all but the last, and the last of days, weeks, months.

    It shows what would go and asks first. How many are kept is said by the settings
    AGENTPG_BACKUP_KEEP_LAST, _DAILY, _WEEKLY and _MONTHLY, for each kind by itself. The last
    backup that passed a drill is never removed. With old base backups goes the archived WAL that
    no base backup needs any more.
    """
    from agentpg.desk.backup.pruning import plan_pruning

    retention = _retention(session, keep_last, keep_daily, keep_weekly, keep_monthly)
    source = None if every_database else session.backup_source()
    plan = plan_pruning(session.repository, retention, source)
    if as_json:
        session.out.json(_document(plan))
    else:
        _show(session, plan)
    if dry_run or not (plan.going or plan.wal_going):
        return
    if not yes and not _agreed(session, plan):
        session.out.note(session.translate(N_("Nothing was changed.")))
        return
    _apply(session, plan)


def _retention(
    session: Session, last: int | None, daily: int | None, weekly: int | None, monthly: int | None
) -> Retention:
    from agentpg.desk.backup.pruning import retention_of

    usual = retention_of(session.settings)
    return dataclasses.replace(
        usual,
        last=usual.last if last is None else last,
        daily=usual.daily if daily is None else daily,
        weekly=usual.weekly if weekly is None else weekly,
        monthly=usual.monthly if monthly is None else monthly,
    )


def _show(session: Session, plan: Plan) -> None:
    columns = (
        Column(N_("Name")),
        Column(N_("Age"), show=figures.age, right=True),
        Column(N_("Size"), show=figures.size, right=True),
        Column(N_("Last drill"), state=True),
        Column(N_("Kept as"), yields=1),
    )
    goes = session.translate(N_("goes"))
    session.out.table(
        columns,
        [
            (
                fate.backup.name,
                fate.backup.taken_at,
                fate.backup.size_bytes,
                fate.drill.outcome if fate.drill else session.translate(N_("never")),
                ", ".join(map(session.translate, fate.reasons)) or goes,
            )
            for fate in plan.fates
        ],
        empty=N_("There are no backups."),
    )
    if plan.fates:
        session.out.line()
        session.out.facts(
            (
                (N_("before"), _volume(session, [*plan.kept, *plan.going])),
                (N_("after"), _volume(session, plan.kept)),
                *_wal_facts(session, plan),
            )
        )
    if plan.fates and not plan.is_proved:
        session.out.note(session.translate(N_("No drill has proved any of them.")))


def _volume(session: Session, backups: list[Backup]) -> str:
    size = figures.size(sum(backup.size_bytes for backup in backups))
    text = session.translate(N_("{number} backups, {size}"))
    return text.format(number=figures.count(len(backups)), size=size)


def _wal_facts(session: Session, plan: Plan) -> list[tuple[str, object]]:
    """The archived WAL before and after, where there is some; and the first and last that go."""
    if not plan.wal:
        return []
    before, after = _wal_numbers(plan, going=True), _wal_numbers(plan, going=False)
    text = session.translate(N_("{number} files, {size}"))
    facts: list[tuple[str, object]] = [
        (name, text.format(number=figures.count(files), size=figures.size(size)))
        for name, (files, size) in ((N_("WAL before"), before), (N_("WAL after"), after))
    ]
    gone = [stored.key.rpartition("/")[2] for one in plan.wal for stored in one.going]
    if gone:
        facts.append(
            (N_("WAL that goes"), f"{gone[0][:_SEGMENT_NAME]} – {gone[-1][:_SEGMENT_NAME]}")
        )
    return facts


def _wal_numbers(plan: Plan, *, going: bool) -> tuple[int, int]:
    """How many files of WAL there are, with those that go or without, and their bytes."""
    files = sum(one.kept_files for one in plan.wal)
    size = sum(one.kept_bytes for one in plan.wal)
    if going:
        files += plan.wal_going
        size += sum(one.going_bytes for one in plan.wal)
    return files, size


def _agreed(session: Session, plan: Plan) -> bool:
    if not sys.stdin.isatty():
        raise UsageError(
            N_("nobody can be asked whether to go ahead"), hint=N_("Say --yes to go ahead.")
        )
    text = N_("Remove these {number} backups for good?")
    if plan.wal_going:
        text = N_("Remove {number} backups and {files} files of WAL for good?")
    number, files = figures.count(len(plan.going)), figures.count(plan.wal_going)
    return click.confirm(session.translate(text).format(number=number, files=files), err=True)


def _apply(session: Session, plan: Plan) -> None:
    from agentpg.desk.backup.pruning import apply_plan

    title = session.translate(N_("Removing"))
    going = [backup.name for backup in plan.going]
    with (
        session.out.progress(title, len(plan.going)) as progress,
        session.recorded(Action.BACKUP_PRUNE, first=True, backups=going, wal=plan.wal_going),
    ):
        apply_plan(session.repository, plan, lambda backup: progress.advance(1, backup.name))


def _document(plan: Plan) -> dict[str, object]:
    return {
        "backups": [
            {
                "name": fate.backup.name,
                "taken_at": fate.backup.taken_at,
                "size_bytes": fate.backup.size_bytes,
                "last_drill": fate.drill.outcome if fate.drill else None,
                "kept_as": fate.reasons,
            }
            for fate in plan.fates
        ],
        "before": _numbers([*plan.kept, *plan.going]),
        "after": _numbers(plan.kept),
        "wal": {
            "before": _wal_document(plan, going=True),
            "after": _wal_document(plan, going=False),
            "going": [stored.key for one in plan.wal for stored in one.going],
        },
    }


def _wal_document(plan: Plan, *, going: bool) -> dict[str, int]:
    files, size = _wal_numbers(plan, going=going)
    return {"files": files, "size_bytes": size}


def _numbers(backups: list[Backup]) -> dict[str, int]:
    return {"backups": len(backups), "size_bytes": sum(b.size_bytes for b in backups)}
