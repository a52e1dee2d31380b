"""`agentpg backup list` and `show`, and what other commands show of a backup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from agentpg.cli import figures
from agentpg.cli.command import Command
from agentpg.cli.output import Column, json_option, plain
from agentpg.cli.session import Session
from agentpg.cli.values import GIVEN
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.backup.model import Backup, Drill
    from agentpg.desk.backup.recovery.reach import Reach

_NEVER = N_("never")


@click.command(
    "list",
    cls=Command,
    examples="""
        agentpg backup list
        agentpg backup list --json | jq -r '.[-1].name'
    """,
)
@json_option
@click.pass_obj
def list_(session: Session, as_json: bool) -> None:
    """List the backups, the newest last, each with what its last drill found.

    Those of a whole cluster have the last moment that they can be recovered to by archived WAL, as
    the time since then; their first one is their own.
    """
    from agentpg.desk.backup.model import last_telling
    from agentpg.desk.backup.recovery.reach import reaches
    from agentpg.desk.backup.storage.records import find_backups, read_drills

    found = find_backups(session.repository)
    rows = [(one, last_telling(read_drills(session.repository, one.name))) for one in found.backups]
    reach = reaches(session.repository, found.backups)
    if as_json:
        session.out.json(
            [{**_summary(b, drill), "recoverable": reach.get(b.name)} for b, drill in rows]
        )
    else:
        _show_list(session, rows, reach)
    for error in found.damaged.values():
        session.out.note(error.message(session.translate))
    for name in found.unfinished:
        session.out.note(
            session.translate(
                N_("{name} is being made, or was begun and not ended; it is no backup.")
            ).format(name=name)
        )


@click.command(
    "show",
    cls=Command,
    examples="""
        agentpg backup show
        agentpg backup show 20260301T120000Z-dump --files
    """,
)
@click.argument(
    "name",
    type=GIVEN,
    required=False,
    help="The backup; by default the newest of this database.",
)
@click.option("--files", is_flag=True, help="List its files with their checksums.")
@json_option
@click.pass_obj
def show(session: Session, name: str | None, files: bool, as_json: bool) -> None:
    """Show one backup and its drills."""
    from agentpg.desk.backup.model import OF_CLUSTERS
    from agentpg.desk.backup.storage.choosing import choose_backup
    from agentpg.desk.backup.storage.records import read_drills

    backup = choose_backup(session.repository, name, session.backup_source)
    drills = read_drills(session.repository, backup.name)
    if as_json:
        from agentpg.desk.backup.model import last_telling
        from agentpg.desk.backup.recovery.aiming import ranges_of

        ranges = ranges_of(session.repository, backup)
        summary = _summary(backup, last_telling(drills))
        session.out.json({**summary, **plain(backup), "drills": drills, "ranges": ranges})
        return
    show_facts(session, backup)
    if backup.kind in OF_CLUSTERS:
        _show_ranges(session, backup)
    _show_drills(session, drills)
    if files:
        _show_files(session, backup)


def show_facts(session: Session, backup: Backup) -> None:
    """What is known of a backup, for people."""
    session.out.facts(_facts(session, backup))


def _facts(session: Session, backup: Backup) -> list[tuple[str, object]]:
    from agentpg.desk.backup.storage.records import key_of

    source, place = backup.source, session.repository.folder(key_of(backup.name))
    size = f"{figures.size(backup.size_bytes)} / {figures.size(backup.source_bytes)}"
    held = session.translate(N_("{tables} tables, {rows} rows")).format(
        tables=figures.count(backup.tables), rows=figures.count(backup.rows)
    )
    return [
        (N_("backup"), backup.name),
        (N_("database"), f"{source.database} ({source.target})"),
        (N_("server"), _version(source.server_version)),
        (N_("moment"), backup.taken_at),
        (N_("position"), backup.lsn),
        (N_("holds"), held),
        (N_("size"), f"{size} ({backup.compression})"),
        (N_("time"), backup.duration),
        (N_("sealed"), ", ".join(backup.recipients) or False),
        (N_("roles"), backup.details.get("globals")),
        (N_("place"), place or session.repository.place),
    ]


def _show_list(
    session: Session, rows: Sequence[tuple[Backup, Drill | None]], reach: Mapping[str, Reach]
) -> None:
    several = len({backup.source.database for backup, _ in rows}) > 1
    columns = [
        Column(N_("Name")),
        *([Column(N_("Database"), yields=1)] if several else []),
        Column(N_("Age"), show=figures.age, right=True),
        *([Column(N_("Up to"), show=figures.age, right=True, yields=2)] if reach else []),
        Column(N_("Size"), show=figures.size, right=True),
        *([] if reach else [Column(N_("Database size"), show=figures.size, right=True, yields=2)]),
        Column(N_("Last drill"), state=True),
        Column(N_("Drilled"), right=True),
    ]
    never = session.translate(_NEVER)
    session.out.table(
        columns,
        [
            (
                backup.name,
                *([backup.source.database] if several else []),
                backup.taken_at,
                *([_last_moment(reach.get(backup.name))] if reach else []),
                backup.size_bytes,
                *([] if reach else [backup.source_bytes]),
                drill.outcome if drill else never,
                figures.age(drill.ended_at if drill else None),
            )
            for backup, drill in rows
        ],
        empty=N_("There are no backups."),
    )
    for name, one in reach.items():
        if one.missing:
            text = session.translate(N_("{name}: WAL is missing from {first} on."))
            session.out.note(text.format(name=name, first=one.missing[0]))


def _last_moment(reach: Reach | None) -> datetime | None:
    return None if reach is None else reach.to_at


def _show_ranges(session: Session, backup: Backup) -> None:
    """Where a base backup can be recovered to, and the marks of its cluster."""
    from agentpg.desk.backup.recovery.aiming import ranges_of
    from agentpg.desk.backup.recovery.marks import list_marks

    session.out.line()
    ranges = (Column(N_("timeline")), Column(N_("possible from")), Column(N_("possible to")))
    found = ranges_of(session.repository, backup)
    session.out.table(ranges, [(str(one.timeline), one.from_at, one.to_at) for one in found])
    marks = list_marks(session.repository, backup.source.system_identifier)
    if marks:
        session.out.line()
        columns = (Column(N_("mark")), Column(N_("moment")), Column(N_("position")))
        session.out.table(columns, [(one.name, one.made_at, one.lsn) for one in marks])


def _show_drills(session: Session, drills: Sequence[Drill]) -> None:
    from agentpg.cli.backup_checks import check_reason

    session.out.line()
    columns = (
        Column(N_("Drilled")),
        Column(N_("Outcome"), state=True),
        Column(N_("Restored in"), right=True),
        Column(N_("On"), yields=1),
        Column(N_("What failed"), yields=2, fold=True),
    )
    rows = [
        (
            drill.ended_at,
            drill.outcome,
            drill.restore,
            drill.host,
            "; ".join(
                f"{check.name}: {check_reason(session.translate, check.reason)}"
                for check in drill.checks
                if check.outcome != "passed"
            ),
        )
        for drill in drills
    ]
    session.out.table(columns, rows, empty=N_("No drill has proved it yet."))


def _show_files(session: Session, backup: Backup) -> None:
    session.out.line()
    columns = (
        Column(N_("File"), yields=1),
        Column(N_("Size"), show=figures.size, right=True),
        Column(N_("SHA-256"), yields=2),
    )
    session.out.table(columns, [(f.path, f.size_bytes, f.sha256) for f in backup.files])


def _summary(backup: Backup, drill: Drill | None) -> dict[str, Any]:
    """A backup in a list, as JSON has it."""
    return {
        "name": backup.name,
        "kind": backup.kind,
        "source": backup.source,
        "taken_at": backup.taken_at,
        "duration_seconds": backup.duration,
        "size_bytes": backup.size_bytes,
        "source_bytes": backup.source_bytes,
        "tables": backup.tables,
        "rows": backup.rows,
        "sealed": bool(backup.recipients),
        "last_drill": None
        if drill is None
        else {
            "outcome": drill.outcome,
            "ended_at": drill.ended_at,
            "restore_seconds": drill.restore,
        },
    }


def _version(number: int) -> str:
    return f"PostgreSQL {number // 10000}.{number % 10000}"
