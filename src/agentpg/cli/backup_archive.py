"""`agentpg backup archive`: letting the server archive its WAL, and looking at how that goes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentpg.cli import figures
from agentpg.cli.command import Group
from agentpg.cli.output import Column, json_option
from agentpg.cli.session import Session
from agentpg.cli.values import DURATION, FILE_PATH
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.backup.recovery.archiving import Archiver, ArchiveStatus

_PATIENCE = timedelta(minutes=2)
_FINDINGS = 5


@click.group(
    "archive",
    cls=Group,
    examples="""
        agentpg backup archive on --restart
        agentpg backup archive status
    """,
)
def archive() -> None:
    """Archive the server's WAL, for recovery to any moment.

    Every change goes into the WAL first. With a base backup and all WAL since, the cluster can
    be recovered to any moment in between. The files go into the repository, below wal/,
    compressed and with a checksum; where backups are sealed, so are they.
    """


@archive.command(
    "on",
    examples="""
        agentpg backup archive on --restart
        # At most five minutes of work can be lost with the machine.
        agentpg backup archive on --at-least-every 5min
        # For backups of kind pgbackrest.
        agentpg backup archive on --kind pgbackrest
    """,
)
@click.option(
    "--kind",
    type=click.Choice(["base", "pgbackrest"]),
    default="base",
    show_default=True,
    help="For which backups: pgBackRest archives for its own.",
)
@click.option(
    "--at-least-every",
    type=DURATION,
    default="60s",
    show_default=True,
    help="How long WAL may wait for its file of 16 MB to be full: what is lost at most with "
    "the server's disk.",
)
@click.option(
    "--compression",
    type=click.Choice(["zst", "gz"]),
    help="Of files in a folder; by default zst where the server's account has the program zstd.",
)
@click.option(
    "--python",
    type=FILE_PATH,
    help="What the server's account runs for a bucket or sealed WAL: a Python with agentpg; by "
    "default the one that runs this.",
)
@click.option("--restart", is_flag=True, help="Restart the private server where it is needed.")
@click.option("--force", is_flag=True, help="Even where it archives elsewhere already.")
@click.pass_obj
def on(
    session: Session,
    kind: str,
    at_least_every: timedelta,
    compression: str | None,
    python: Path | None,
    restart: bool,
    force: bool,
) -> None:
    """Let the server archive its WAL, and prove that it does.

    A server that archives elsewhere already, into another repository or by another tool, is left
    alone unless --force is said. Needs a superuser, and a restart where it was off. Where the
    repository is a bucket, or backups are sealed, it runs on the server's machine, and again when
    keys or credentials are changed: the server's account gets them in a file of its own.
    """
    from agentpg.db import connect, driver_errors
    from agentpg.desk.backup.recovery.archiving import turn_on

    database = session.cluster_database
    with connect(database, "agentpg backup") as connection, driver_errors(database.target()):
        archiver = turn_on(
            connection,
            session.repository,
            at_least_every=at_least_every,
            form=compression or "",
            settings=session.settings,
            python=python,
            pgbackrest=kind == "pgbackrest",
            force=force,
        )
    if _restarted(session, archiver, restart):
        _prove(session)


@archive.command("off", examples="agentpg backup archive off --restart")
@click.option("--restart", is_flag=True, help="Restart the private server.")
@click.pass_obj
def off(session: Session, restart: bool) -> None:
    """Let the server archive no more, from its next restart on.

    What was archived stays. Backups can be recovered to moments before this one only.
    """
    from agentpg.db import connect, driver_errors
    from agentpg.desk.backup.recovery.archiving import turn_off

    database = session.cluster_database
    with connect(database, "agentpg backup") as connection, driver_errors(database.target()):
        archiver = turn_off(connection)
    if _restarted(session, archiver, restart):
        session.out.line(session.translate(N_("WAL is not archived any more.")))


@archive.command(
    "status",
    examples="""
        agentpg backup archive status
        agentpg backup archive status --json | jq .gaps
    """,
)
@json_option
@click.pass_obj
def status(session: Session, as_json: bool) -> int:
    """Show how archiving goes: the last file, what waits, since when it fails, what is missing.

    Exits with 5 where it fails, does not happen or goes elsewhere, or files are missing in between.
    """
    from agentpg.db import connect, driver_errors
    from agentpg.desk.backup.recovery.archiving import look_at_archiving

    database = session.cluster_database
    with connect(database, "agentpg backup") as connection, driver_errors(database.target()):
        found = look_at_archiving(connection, session.repository)
    if as_json:
        session.out.json(found)
    else:
        _show(session, found)
    return 0 if found.is_well else _FINDINGS


@archive.command(
    "push",
    hidden=True,
    examples="agentpg backup archive push archiving/7301/orders.json pg_wal/…",
)
@click.argument("orders", type=FILE_PATH, help="What `agentpg backup archive on` has written.")
@click.argument("path", type=FILE_PATH, required=False, help="The file of WAL.")
@click.option("--check", is_flag=True, help="Do all but store a file.")
def push(orders: Path, path: Path | None, check: bool) -> None:
    """Store a file of WAL in the archive, as the server's account: its archive command.

    What waits behind it is stored with it.
    """
    from agentpg.desk.backup.recovery.orders import take_orders
    from agentpg.desk.backup.recovery.pushing import push, push_ahead, try_out

    archive = take_orders(orders)
    if check or path is None:
        try_out(archive)
        return
    push(archive, path)
    push_ahead(archive, path, orders.parent)


def _restarted(session: Session, archiver: Archiver, restart: bool) -> bool:
    """Whether what was set is in force; a server that is not ours is restarted by its owner."""
    _ = session.translate
    if not archiver.restart_needed:
        return True
    if restart and session.is_private:
        session.server.stop()
        session.server.start()
        return True
    session.out.note(_(N_("It is set, and takes effect when the server is restarted:")))
    session.out.note(f"  {_how_to_restart(session)}")
    return False


def _how_to_restart(session: Session) -> str:
    if session.is_private:
        return "agentpg server stop && agentpg server start"
    return "systemctl restart postgresql"


def _prove(session: Session) -> None:
    from agentpg.db import connect, driver_errors
    from agentpg.desk.backup.recovery.archiving import prove_archiving

    database = session.cluster_database
    with connect(database, "agentpg backup") as connection, driver_errors(database.target()):
        name = prove_archiving(connection, session.repository, _PATIENCE)
    text = session.translate(N_("WAL is archived into {place}; the last file is {name}."))
    session.out.line(text.format(place=session.repository.place, name=name))


def _show(session: Session, found: ArchiveStatus) -> None:
    archiver = found.archiver
    waiting: Sequence[tuple[str, object]] = (
        (N_("mode"), archiver.mode),
        (N_("command"), archiver.library or archiver.command),
        (N_("at least every"), timedelta(seconds=archiver.timeout_seconds)),
        (N_("last file"), archiver.last_archived),
        (N_("archived"), archiver.last_archived_at),
        (N_("failing since"), archiver.failing_since or False),
        (N_("files waiting"), found.waiting),
        (N_("waiting since"), found.waiting_since or False),
        (N_("files"), figures.count(found.segments)),
        (N_("sealed"), _share(session, found)),
        (N_("size"), figures.size(found.size_bytes)),
    )
    session.out.facts(waiting)
    if not found.arrives:
        elsewhere = N_("The last file is not in {place}: the server archives elsewhere.")
        session.out.note(session.translate(elsewhere).format(place=session.repository.place))
    if archiver.restart_needed:
        session.out.note(session.translate(N_("A change waits for a restart of the server.")))
    if found.gaps:
        session.out.line()
        columns = (
            Column(N_("Missing from")),
            Column(N_("to")),
            Column(N_("Files"), right=True),
        )
        session.out.table(columns, [(gap.first, gap.last, gap.segments) for gap in found.gaps])


def _share(session: Session, found: ArchiveStatus) -> object:
    """Whether the files are sealed: all of them, none, or so many."""
    if found.sealed in (0, found.segments):
        return found.sealed > 0
    text = session.translate(N_("{number} of {total}"))
    return text.format(number=figures.count(found.sealed), total=figures.count(found.segments))
