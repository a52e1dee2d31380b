"""`agentpg backup restore`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agentpg.audit.acting import Action
from agentpg.cli import figures
from agentpg.cli.backup_tables import agreed, restore_tables
from agentpg.cli.backup_words import HELD, UNFINISHED, UNFINISHED_WORDS
from agentpg.cli.command import Command
from agentpg.cli.output import json_option, plain
from agentpg.cli.session import Session
from agentpg.cli.values import FILE_PATH, GIVEN, MOMENT, POSITION
from agentpg.errors import UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.cli.progress import Measure, NoMeasure
    from agentpg.desk.backup.restore.plan import Restored, RestorePlan, Work
    from agentpg.desk.backup.restore.unfinished import Unfinished

_TARGETS = ("to_time", "to_lsn", "to_name")


@click.command(
    "restore",
    cls=Command,
    examples="""
        # Into a new database beside the present one.
        agentpg backup restore --into agentic_ai_again
        # In the place of the present one, which is kept.
        agentpg backup restore 20260301T120000Z-dump --replace --with-workers
        # Back to the one before.
        agentpg backup restore --undo
        # When all is well, let go of what was kept.
        agentpg backup restore --forget-old
        # The whole cluster, as it was at a moment.
        agentpg backup restore --to-time '2026-03-03 14:03'
        # Deleted rows, or a table that was dropped.
        agentpg backup restore --table tasks --where "agent_name = 'ReportAgent'"
        # Another server, with a role that may create databases.
        agentpg --dsn postgresql://postgres@db2/postgres backup restore --into copy
    """,
)
@click.argument(
    "name",
    type=GIVEN,
    required=False,
    help="The backup; by default the newest of this database.",
)
@click.option(
    "--into",
    type=GIVEN,
    metavar="DATABASE",
    help="The new database; with --replace, the old one.",
)
@click.option("--replace", is_flag=True, help="Swap it with the database that is there.")
@click.option(
    "--unfinished",
    type=click.Choice(UNFINISHED),
    default="hold",
    show_default=True,
    help="What becomes of tasks that had not ended.",
)
@click.option("--jobs", type=click.IntRange(1, 64), help="How many connections restore it.")
@click.option("--no-verify", is_flag=True, help="Compare nothing with the manifest.")
@click.option("--create-roles", is_flag=True, help="Make missing roles, without passwords.")
@click.option("--end-connections", is_flag=True, help="End sessions of the database at the swap.")
@click.option("--with-workers", is_flag=True, help="The same, those of workers included.")
@click.option("--undo", is_flag=True, help="Put back what the last --replace replaced.")
@click.option("--forget-old", is_flag=True, help="Drop the databases that were kept.")
@click.option(
    "--table",
    "tables",
    type=GIVEN,
    metavar="TABLE",
    multiple=True,
    help="Only this table's rows.",
)
@click.option(
    "--where",
    type=GIVEN,
    metavar="SQL",
    help="Of these tables, rows for which this is true.",
)
@click.option("--overwrite", is_flag=True, help="Changed rows too become what they were.")
@click.option(
    "--undo-file",
    type=FILE_PATH,
    help="The SQL file that undoes it; by default below undo/ in the home.",
)
@click.option("--to-time", type=MOMENT, help="As `agentpg backup recover` does.")
@click.option("--to-lsn", type=POSITION, metavar="LSN", help="The same.")
@click.option("--to-name", type=GIVEN, metavar="NAME", help="The same.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_context
def restore(
    ctx: click.Context, /, name: str | None, undo: bool, forget_old: bool, **said: Any
) -> None:
    """Restore a backup of kind dump or sql into a database.

    The plan is shown first. The database is filled under another name, compared with what the
    source held, and gets its name when it is whole; --replace swaps it with the present one in
    one moment and keeps that. Owner, grants and settings are those of the source. Tasks that
    had not ended are held, so that nothing runs twice.
    """
    if undo and forget_old:
        raise UsageError(N_("--undo and --forget-old exclude each other"))
    session: Session = ctx.obj
    target = {option: said.pop(option) for option in _TARGETS}
    _require_one_thing(said, recovers=any(target.values()), puts_right=undo or forget_old)
    if any(target.values()):
        _recover(ctx, name, target, said)
    elif undo or forget_old:
        _put_right(session, forget_old=forget_old, **said)
    elif said["tables"]:
        restore_tables(session, name, **said)
    else:
        _restore(session, name, **said)


def _require_one_thing(said: dict[str, Any], *, recovers: bool, puts_right: bool) -> None:
    """Raise UsageError for options of which some would do nothing, or something else."""
    tables = bool(said["tables"])
    if (said["where"] or said["overwrite"] or said["undo_file"]) and not tables:
        raise UsageError(N_("--where, --overwrite and --undo-file go with --table"))
    if recovers + puts_right + tables > 1:
        raise UsageError(
            N_("--table, --undo, --forget-old and the options --to-… exclude each other"),
            hint=N_("--to-time, --to-lsn and --to-name are about the whole cluster."),
        )
    if tables and (said["into"] or said["replace"]):
        raise UsageError(
            N_("--into and --replace do not go with --table"),
            hint=N_("Rows come back into the database of --dsn, or the configured one."),
        )


def _recover(
    ctx: click.Context, name: str | None, target: dict[str, Any], said: dict[str, Any]
) -> None:
    """Hand a moment of the WAL to whom it concerns: it is always of the whole cluster."""
    from agentpg.cli.backup_recover import recover

    into = Path(said["into"]) if said["into"] else None
    shared = {option: said[option] for option in ("replace", "unfinished", "yes", "as_json")}
    force = said["with_workers"] or said["end_connections"]
    ctx.invoke(recover, name=name, into=into, force=force, **target, **shared)


def _restore(
    session: Session,
    name: str | None,
    *,
    into: str | None,
    replace: bool,
    unfinished: Unfinished,
    jobs: int | None,
    no_verify: bool,
    create_roles: bool,
    end_connections: bool,
    with_workers: bool,
    yes: bool,
    as_json: bool,
    **_: object,
) -> None:
    from agentpg.desk.backup.restore.plan import RestoreOptions
    from agentpg.desk.backup.restore.restoring import open_restore
    from agentpg.desk.backup.storage.choosing import choose_to_restore
    from agentpg.desk.backup.storage.keys import seal_for_opening

    present = session.restore_database.name()
    over = (into or present) if replace else ""
    backup = choose_to_restore(session.repository, name, session.backup_source, over)
    options = RestoreOptions(
        into=into or (present if replace else f"{backup.source.database}_restored"),
        replace=replace,
        jobs=jobs or session.settings.backup_jobs,
        unfinished=unfinished,
        verify=not no_verify,
        create_roles=create_roles,
        end_connections=end_connections,
        with_workers=with_workers,
        pg_bin=session.settings.pg_bin,
        parent=session.home / "scratch",
    )
    seal = seal_for_opening(session.settings, session.repository, backup)
    server = session.restore_database
    with ExitStack() as opened:
        with session.out.measure(session.translate(N_("Restoring"))) as measure:
            tell = _teller(session, measure)
            restoring = open_restore(server, backup, session.repository, seal, options, tell)
            one = opened.enter_context(restoring)
            plan = one.plan(tell)
        if not as_json:
            _show_plan(session, plan)
        if not yes and not agreed(session, N_("Go ahead?")):
            session.out.note(session.translate(N_("Nothing was changed.")))
            return
        with (
            session.out.measure(session.translate(N_("Restoring"))) as measure,
            session.recorded(Action.BACKUP_RESTORE, backup.name, into=options.into) as course,
        ):
            done = one.run(plan, _teller(session, measure))
            course.details["kept"] = done.kept or None
    _show_done(session, done, unfinished, as_json)


def _put_right(
    session: Session,
    *,
    forget_old: bool,
    into: str | None,
    end_connections: bool,
    with_workers: bool,
    unfinished: Unfinished,
    yes: bool,
    as_json: bool,
    **_: object,
) -> None:
    """Swap back, or drop what was kept."""
    from agentpg.desk.backup.restore.restoring import neutral
    from agentpg.desk.backup.restore.swapping import (
        Ends,
        drop_databases,
        kept_databases,
        to_put_back,
        undo as put_back,
    )

    name = into or session.restore_database.name()
    server = neutral(session.restore_database, name)
    kept = kept_databases(server, name)
    if not as_json:
        session.out.facts([(N_("database"), name), (N_("kept"), ", ".join(kept) or None)])
    if forget_old:
        if kept and not yes and not agreed(session, N_("Drop what was kept for good?")):
            session.out.note(session.translate(N_("Nothing was changed.")))
            return
        with session.recorded(Action.BACKUP_RESTORE, "forget-old", dropped=kept):
            drop_databases(server, kept)
        document: dict[str, object] = {"database": name, "dropped": kept}
    else:
        if not as_json:
            session.out.facts([(N_("put back"), to_put_back(server, name))])
        if not yes and not agreed(session, N_("Put the database back that was there before?")):
            session.out.note(session.translate(N_("Nothing was changed.")))
            return
        ends = Ends(workers=with_workers, others=end_connections)
        with session.recorded(Action.BACKUP_RESTORE, "undo", database=name):
            document = {"database": name, **plain(put_back(server, name, ends, unfinished))}
    if as_json:
        session.out.json(document)
    else:
        session.out.facts([(key, value) for key, value in _in_words(document)])
        if document.get("unfinished") and unfinished == "hold":
            session.out.line(session.translate(HELD))


def _in_words(document: dict[str, object]) -> list[tuple[str, object]]:
    names = {
        "put_back": N_("put back"),
        "kept": N_("kept now as"),
        "unfinished": N_("unfinished tasks"),
        "dropped": N_("dropped"),
    }
    return [
        (names[key], ", ".join(value) or None if isinstance(value, tuple) else value)
        for key, value in document.items()
        if key in names
    ]


def _teller(session: Session, measure: Measure | NoMeasure) -> Callable[[Work], None]:
    def tell(work: Work) -> None:
        measure.call(session.translate(work.name))
        measure.reach(work.done_bytes, work.total_bytes)

    return tell


def _show_plan(session: Session, plan: RestorePlan) -> None:
    backup, options = plan.backup, plan.options
    free = None if plan.free_bytes is None else figures.size(plan.free_bytes)
    session.out.facts(
        [
            (N_("backup"), f"{backup.name} ({figures.size(backup.size_bytes)})"),
            (N_("moment"), backup.taken_at),
            (N_("server"), f"{plan.target}, PostgreSQL {plan.server_version // 10000}"),
            (N_("database"), options.into),
            (N_("filled as"), plan.staging),
            (N_("taken from"), backup.source.target),
            *([(N_("old one kept as"), plan.kept)] if plan.kept else []),
            (N_("room"), f"{figures.size(plan.needed_bytes)} / {free or figures.UNKNOWN}"),
            (N_("roles to make"), ", ".join(plan.missing_roles) or False),
            (N_("sessions to end"), len(plan.sessions)),
            (N_("unfinished tasks"), session.translate(UNFINISHED_WORDS[options.unfinished])),
            *([(N_("left by killed restores"), ", ".join(plan.left))] if plan.left else []),
        ]
    )


def _show_done(session: Session, done: Restored, choice: Unfinished, as_json: bool) -> None:
    if as_json:
        session.out.json(plain(done))
        return
    from agentpg.cli.backup_checks import show_checks

    session.out.line()
    if done.checks:
        show_checks(session, done.checks)
        session.out.line()
    session.out.facts(
        [
            (N_("restored"), done.database),
            *([(N_("old one kept as"), done.kept)] if done.kept else []),
            (N_("unfinished tasks"), done.unfinished),
            (N_("time"), done.whole),
        ]
    )
    if done.unfinished and choice == "hold":
        session.out.line(session.translate(HELD))
    if done.kept:
        session.out.line(
            session.translate(
                N_("`agentpg backup restore --undo` swaps back; --forget-old drops the old one.")
            )
        )
