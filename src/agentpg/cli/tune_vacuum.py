"""`agentpg tune vacuum`."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from agentpg.audit.acting import Action
from agentpg.cli import figures
from agentpg.cli.command import Command
from agentpg.cli.output import Column, Output, json_option
from agentpg.cli.session import Session
from agentpg.cli.tune_needs import show_needs
from agentpg.cli.values import DURATION, GIVEN, WrongValue
from agentpg.errors import UsageError
from agentpg.language import N_

_TOO_SHORT = N_("it must be at least 1ms")

if TYPE_CHECKING:
    from agentpg.db import Database
    from agentpg.desk.doctor.disk.rewriting import Room
    from agentpg.desk.tune.vacuuming import Vacuumed, VacuumPlan


def _enough(context: click.Context, option: click.Parameter, value: timedelta) -> timedelta:
    """PostgreSQL counts milliseconds, and takes 0 for no limit."""
    if value < timedelta(milliseconds=1):
        raise WrongValue(f"{value.total_seconds():g}s", _TOO_SHORT, option, context)
    return value


@click.command(
    "vacuum",
    cls=Command,
    examples="""
        # Which tables need it, and why.
        agentpg tune vacuum
        agentpg tune vacuum tasks
        # What a rewrite would free and need, and who would wait.
        agentpg tune vacuum --full --dry-run tasks
        agentpg tune vacuum --full tasks
    """,
)
@click.argument(
    "table",
    required=False,
    type=GIVEN,
    help="The table, as SQL names it. Without one: all that need it.",
)
@click.option("--full", is_flag=True, help="Write the table anew, smaller; it is locked meanwhile.")
@click.option(
    "--lock-timeout",
    type=DURATION,
    default="5s",
    callback=_enough,
    show_default=True,
    help="How long to wait for the table.",
)
@click.option(
    "--assume-room",
    is_flag=True,
    help="With --full: go ahead where the server's disk can't be seen from here.",
)
@click.option(
    "--while-in-use", is_flag=True, help="With --full: go ahead while sessions use the table."
)
@click.option("--dry-run", is_flag=True, help="Only show the plan.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def vacuum(
    session: Session,
    table: str | None,
    full: bool,
    lock_timeout: timedelta,
    assume_room: bool,
    while_in_use: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Let new rows use the room of dead ones; with --full give it back to the file system.

    Without a table it changes nothing, and shows which tables autovacuum falls behind on, and why.

    A rewrite shows first what it would give back, what room it needs meanwhile, and whose
    sessions would wait. It is refused without that room, and while sessions use the table. No
    backup runs beside it. What it gave back is measured.
    """
    from agentpg.desk.tune.vacuuming import VacuumOptions, plan_vacuum, refuse, run_vacuum

    if table is None:
        if full:
            raise UsageError(N_("--full is for one table"), hint=N_("Name the table."))
        show_needs(session, as_json=as_json)
        return
    database = _database(session)
    options = VacuumOptions(
        full=full, lock_timeout=lock_timeout, assume_room=assume_room, while_in_use=while_in_use
    )
    plan = plan_vacuum(database, session.settings, table, options)
    if (full or dry_run) and not as_json:
        _show(session.out, plan)
    if dry_run:
        if as_json:
            session.out.json(_document(plan, None))
        return
    refuse(plan, options)
    if full and not yes and not _agreed(session):
        session.out.note(session.translate(N_("Nothing was changed.")))
        return
    with session.recorded(Action.TUNE_VACUUM, table, full=full):
        done = run_vacuum(database, session.settings, table, options)
    if as_json:
        session.out.json(_document(plan, done))
    else:
        _say(session.out, done, full=full)


def _database(session: Session) -> Database:
    """The database as its owner, who may vacuum its tables."""
    from agentpg.db import database_of

    if session.settings.dsn_admin and "dsn" not in session.overrides:
        return database_of(session.settings.dsn_admin, session.settings)
    return session.database


def _show(out: Output, plan: VacuumPlan) -> None:
    from agentpg.desk.tune.vacuuming import statement_of

    table = plan.table
    sign = N_("measured") if plan.measured else N_("by the statistics, not measured")
    gain = f"{figures.size(plan.gain_bytes)} ({out.translate(sign)})"
    out.facts(
        (
            (N_("table"), table.name),
            (N_("takes"), figures.size(table.size_bytes)),
            (N_("its indexes"), figures.size(table.index_bytes)),
            (N_("gives back about"), gain),
            *((N_("needs meanwhile"), _room(out, room)) for room in plan.rooms),
            (N_("would wait"), len(plan.users)),
        )
    )
    out.line(f"  {statement_of(plan)}")
    if plan.users:
        columns = (
            Column(N_("Process"), show=str, right=True),
            Column(N_("Role")),
            Column(N_("Application"), yields=1),
            Column(N_("State")),
            Column(N_("Query"), yields=2),
        )
        rows = [(u.pid, u.role, u.application, u.state, u.query) for u in plan.users]
        out.line()
        out.table(columns, rows)


def _room(out: Output, room: Room) -> str:
    text = N_("{needed} in {place}; how much is free is not known")
    if room.free_bytes is not None:
        text = N_("{needed} in {place}, with {free} free")
    return out.translate(text).format(
        needed=figures.size(room.needed_bytes),
        place=room.place,
        free=figures.size(room.free_bytes),
    )


def _say(out: Output, done: Vacuumed, *, full: bool) -> None:
    text = N_("{table} was vacuumed in {time}; it takes {after}, {gained} less than before.")
    if full:
        text = N_(
            "{table} was written anew in {time}; it takes {after}, {gained} less than before."
        )
    said = out.translate(text).format(
        table=done.table,
        time=figures.duration(done.took),
        after=figures.size(done.after_bytes),
        gained=figures.size(max(done.gained_bytes, 0)),
    )
    out.line(said)
    for warning in done.warnings:
        out.note(warning)


def _agreed(session: Session) -> bool:
    if not sys.stdin.isatty():
        raise UsageError(
            N_("nobody can be asked whether to go ahead"), hint=N_("Say --yes to go ahead.")
        )
    question = N_("Write it anew now? Nobody can read or write it meanwhile.")
    return click.confirm(session.translate(question), err=True)


def _document(plan: VacuumPlan, done: Vacuumed | None) -> dict[str, object]:
    said: dict[str, object] = {
        "table": plan.table.name,
        "full": plan.full,
        "size_bytes": plan.table.size_bytes,
        "index_bytes": plan.table.index_bytes,
        "gain_bytes": plan.gain_bytes,
        "measured": plan.measured,
        "needed_bytes": plan.needed_bytes,
        "rooms": plan.rooms,
        "sessions": plan.users,
    }
    if done is not None:
        said |= {
            "before_bytes": done.before_bytes,
            "after_bytes": done.after_bytes,
            "gained_bytes": done.gained_bytes,
            "seconds": done.took,
            "warnings": done.warnings,
        }
    return said
