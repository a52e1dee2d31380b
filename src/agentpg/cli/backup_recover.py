"""`agentpg backup recover`: a whole cluster, to a moment."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentpg.audit.acting import Action
from agentpg.cli.backup_recovered import (
    document,
    say_how_to_start,
    say_settled,
    show_recovered,
)
from agentpg.cli.backup_words import UNFINISHED, UNFINISHED_WORDS
from agentpg.cli.command import Command
from agentpg.cli.output import json_option
from agentpg.cli.session import Session
from agentpg.cli.values import ANY_PATH, GIVEN, MOMENT, MOVED, POSITION
from agentpg.errors import AgentpgError, ArchivingFailed, ClusterInUse, UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.backup.recovery.aiming import Aim
    from agentpg.desk.backup.recovery.recovering import Recovered
    from agentpg.desk.backup.recovery.targets import Target
    from agentpg.desk.backup.restore.unfinished import Unfinished

# Targets that nobody has named.
_TARGETS = {"backup": N_("the backup's own moment"), "latest": N_("the end of the WAL")}


@click.command(
    "recover",
    cls=Command,
    examples="""
        # Last Tuesday, in a new folder beside the present one.
        agentpg backup recover --to-time '2026-03-03 14:03'
        # In the place of the present one.
        agentpg backup recover --to-name before-import --replace
        # And back.
        agentpg backup recover --undo FOLDER
    """,
)
@click.argument(
    "name", type=GIVEN, required=False, help="The base backup; by default the last that fits."
)
@click.option("--to-time", type=MOMENT, help="After the last commit up to this moment.")
@click.option(
    "--to-lsn", type=POSITION, metavar="LSN", help="Before what is written at this position."
)
@click.option(
    "--to-name", type=GIVEN, metavar="NAME", help="At this mark, or at another backup's moment."
)
@click.option("--to-latest", is_flag=True, help="At the end of all WAL that there is.")
@click.option("--timeline", type=click.IntRange(1), help="The timeline to follow.")
@click.option(
    "--into",
    type=ANY_PATH,
    help="The new home; by default below recovered/ in the present one.",
)
@click.option(
    "--tablespace",
    "tablespaces",
    type=MOVED,
    metavar="OLD=NEW",
    multiple=True,
    help="The new folder of a tablespace.",
)
@click.option(
    "--unfinished",
    type=click.Choice(UNFINISHED),
    default="hold",
    show_default=True,
    help="What becomes of tasks that had not ended.",
)
@click.option("--replace", is_flag=True, help="Let it take the place of the private server.")
@click.option("--force", is_flag=True, help="Even while others are connected to that.")
@click.option("--undo", type=ANY_PATH, help="Change places again with this home.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def recover(
    session: Session,
    name: str | None,
    to_time: datetime | None,
    to_lsn: str | None,
    to_name: str | None,
    to_latest: bool,
    timeline: int | None,
    into: Path | None,
    tablespaces: tuple[tuple[str, Path], ...],
    unfinished: Unfinished,
    replace: bool,
    force: bool,
    undo: Path | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Recover a whole cluster from a base backup, or pgBackRest's, to its moment or a later one.

    It becomes a private server in a new home, beside the present one, and archives nothing. Tasks
    that had not ended are held before anybody can connect, so that nothing runs twice, and
    subscriptions are disabled, so that it takes no changes that are for the other one.
    With --replace the two change places in one moment; the old cluster is then in the new home,
    and --undo changes them back: what had not ended in that is held too, since it may have run in
    the other one. What is possible, and what is missing, is said before anything is done.
    """
    if undo is not None:
        _exchange(session, undo.absolute(), unfinished, force=force, yes=yes)
        return
    from agentpg.desk.backup.recovery.aiming import take_aim

    target = _target(to_time, to_lsn, to_name, timeline, latest=to_latest)
    home = (into or session.home / "recovered" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}").absolute()
    if replace:
        _require_replaceable(session, home, force=force)
    with _started_again(session):
        if target.by != "backup":
            last = target.by == "latest"
            _bring_in_the_end(session, last=last, stop=last and replace, force=force, yes=yes)
        aim = take_aim(session.repository, name, target, session.backup_source)
        if not as_json:
            _show_plan(session, aim, home, unfinished)
        if replace and not yes:
            _ask(session, N_("Replace the present cluster once it is recovered?"))
        recovered = _recover(session, aim, home, dict(tablespaces), unfinished)
        if as_json:
            session.out.json({**document(recovered), "backup": aim.backup.name, "home": home})
        else:
            show_recovered(session, recovered, unfinished)
        if replace:
            _take_place(session, home, force=force)
        elif not as_json:
            say_how_to_start(session, aim, home, recovered.timeline)


@contextmanager
def _started_again(session: Session) -> Iterator[None]:
    """Where this fails, the private server runs as it did before."""
    ran = session.is_private and session.server.exists() and session.server.status().running
    try:
        yield
    except BaseException:
        if ran and not session.server.status().running:
            session.server.start()
        raise


def _target(
    to_time: datetime | None,
    to_lsn: str | None,
    to_name: str | None,
    timeline: int | None,
    *,
    latest: bool,
) -> Target:
    from agentpg.desk.backup.recovery.targets import Target

    if sum(map(bool, (to_time, to_lsn, to_name, latest))) > 1:
        raise UsageError(N_("give one target alone"), hint=N_("--to-time, for example."))
    if timeline and not (to_time or to_lsn or to_name or latest):
        raise UsageError(N_("--timeline goes with a target"), hint=N_("--to-latest, for example."))
    if to_time:
        return Target(by="time", at=to_time, timeline=timeline)
    if to_lsn:
        return Target(by="lsn", value=to_lsn, timeline=timeline)
    if to_name:
        return Target(by="name", value=to_name, timeline=timeline)
    return Target(by="latest" if latest else "backup", timeline=timeline)


def _recover(
    session: Session,
    aim: Aim,
    home: Path,
    tablespaces: dict[str, Path],
    unfinished: Unfinished,
) -> Recovered:
    from agentpg.desk.backup.programs import find_programs
    from agentpg.desk.backup.recovery.homes import HomeWork, recover_home
    from agentpg.desk.backup.scratch import SERVER
    from agentpg.desk.backup.storage.keys import seal_for_opening, seal_for_opening_wal
    from agentpg.desk.backup.storage.reading import opener_of
    from agentpg.embedded.binaries import Binaries

    backup, settings, repository = aim.backup, session.settings, session.repository
    programs = find_programs(settings.pg_bin, backup.source.server_version // 10_000, *SERVER)
    session.home.mkdir(parents=True, exist_ok=True)
    seal = seal_for_opening(settings, repository, backup)
    work = HomeWork(
        backup=backup,
        repository=repository,
        target=aim.target,
        home=home,
        beside=session.home,
        binaries=Binaries(programs.folder, programs.version),
        opener=opener_of(repository, backup, seal, home),
        open_wal=lambda: seal_for_opening_wal(
            settings, repository, backup.source.system_identifier
        ),
        tablespaces=tablespaces,
        tail=_tail(session, aim),
        unfinished=unfinished,
    )
    title = session.translate(N_("Recovering the cluster"))
    with (
        session.out.measure(title) as measure,
        session.recorded(Action.BACKUP_RECOVER, backup.name, home=home, target=str(aim.target)),
    ):
        return recover_home(work, measure.reach)


def _tail(session: Session, aim: Aim) -> Path | None:
    """What the present server had no time to archive, where it is stopped and the same."""
    from agentpg.desk.backup.recovery.staging import system_of

    if aim.target.by == "backup" or not session.is_private or not session.server.exists():
        return None
    status = session.server.status()
    wal = status.data / "pg_wal"
    if status.running or system_of(wal) != aim.backup.source.system_identifier:
        return None
    return wal


def _bring_in_the_end(session: Session, *, last: bool, stop: bool, force: bool, yes: bool) -> None:
    """Let what was committed last get into the archive, or stay where it is found.

    An earlier target may do without; whether it does is said by the plan.
    """
    from datetime import timedelta

    from agentpg.db import connect, driver_errors
    from agentpg.desk.backup.recovery.archiving import prove_archiving

    if not session.is_private or not session.server.status().running:
        return
    if stop:
        _require_unused(session, force=force)
        if not yes:
            _ask(session, N_("Stop the present server, so that nothing is committed after it?"))
        session.server.stop()
        return
    database = session.cluster_database
    with (
        nullcontext() if last else suppress(ArchivingFailed),
        connect(database, "agentpg backup") as connection,
        driver_errors(database.target()),
    ):
        prove_archiving(connection, session.repository, timedelta(seconds=30))


def _take_place(session: Session, home: Path, *, force: bool) -> None:
    _require_unused(session, force=force)
    _change_places(session, home)
    text = session.translate(
        N_("It is in place. The old cluster is in {home}; to change them back:")
    )
    session.out.note(text.format(home=home))
    session.out.note(f"  agentpg backup recover --undo {home}")


def _exchange(
    session: Session, home: Path, unfinished: Unfinished, *, force: bool, yes: bool
) -> None:
    from agentpg.desk.backup.recovery.homes import require_stopped_cluster, settle_home
    from agentpg.embedded.binaries import find_binaries

    _require_private(session)
    require_stopped_cluster(home)
    if session.server.status().running:
        _require_unused(session, force=force)
    if not yes:
        _ask(session, N_("Let the two clusters change places?"))
    settled = settle_home(home, unfinished, find_binaries(session.settings.pg_bin))
    _change_places(session, home)
    text = session.translate(N_("They have changed places; the other one is in {home}."))
    session.out.line(text.format(home=home))
    if settled.unfinished:
        session.out.facts([(N_("unfinished tasks"), settled.unfinished)])
    say_settled(session, settled, unfinished)


def _change_places(session: Session, home: Path) -> None:
    """Let the clusters change places, and start the one that is here then.

    One that does not start gives the place back.
    """
    from agentpg.desk.backup.recovery.homes import exchange_clusters

    session.server.stop()
    try:
        exchange_clusters(session.home, home)
        try:
            session.server.start()
        except AgentpgError:
            exchange_clusters(session.home, home)
            raise
    except BaseException:
        session.server.start()
        raise


def _require_replaceable(session: Session, home: Path, *, force: bool) -> None:
    """Refuse at once what would be refused at the end."""
    from agentpg.desk.backup.recovery.homes import require_one_file_system

    _require_private(session)
    session.home.mkdir(parents=True, exist_ok=True)
    require_one_file_system(session.home, home)
    _require_unused(session, force=force)


def _require_private(session: Session) -> None:
    if not session.is_private:
        raise UsageError(
            N_("only the private server's cluster is replaced"),
            hint=N_("Recover into a new folder, and put that in place yourself."),
        )


def _require_unused(session: Session, *, force: bool) -> None:
    """Refuse to take a server from under those who use it."""
    from agentpg.db import connect, driver_errors
    from agentpg.desk.backup.recovery.homes import list_sessions

    if force or not session.server.status().running:
        return
    database = session.cluster_database
    with connect(database, "agentpg backup") as connection, driver_errors(database.target()):
        sessions = list_sessions(connection)
    if sessions:
        raise ClusterInUse(sessions=", ".join(sessions))


def _ask(session: Session, text: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError(
            N_("nobody can be asked whether to go ahead"), hint=N_("Say --yes to go ahead.")
        )
    if not click.confirm(session.translate(text), err=True):
        raise AgentpgError(N_("nothing was changed"))


def _show_plan(session: Session, aim: Aim, home: Path, unfinished: Unfinished) -> None:
    reach = aim.plan.reach
    session.out.facts(
        (
            (N_("backup"), aim.backup.name),
            (N_("target"), session.translate(_TARGETS.get(aim.target.by, str(aim.target)))),
            (N_("timeline"), str(aim.plan.timeline)),
            (N_("possible from"), reach.from_at),
            (N_("possible to"), reach.to_at),
            (N_("taken from"), aim.backup.source.target),
            (N_("new home"), str(home)),
            (N_("unfinished tasks"), session.translate(UNFINISHED_WORDS[unfinished])),
        )
    )
