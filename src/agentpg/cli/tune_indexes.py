"""`agentpg tune indexes`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentpg.audit.acting import Action as Act
from agentpg.cli.command import Command
from agentpg.cli.doctor_view import exit_code, findings_options
from agentpg.cli.session import Session
from agentpg.cli.values import DURATION, FILE_PATH, GIVEN, SizeType
from agentpg.errors import UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.db import Database
    from agentpg.desk.finding import Level
    from agentpg.desk.tune.indexing.actions import Action
    from agentpg.desk.tune.indexing.applying import Done
    from agentpg.desk.tune.indexing.looking import View
    from agentpg.desk.tune.indexing.proposals import Proposal


@click.command(
    "indexes",
    cls=Command,
    examples="""
        agentpg tune indexes
        # Build what is proposed on a copy, and measure before and after.
        agentpg tune indexes --try
        # After asking, do what is safe: measured, doubled, broken, worn.
        agentpg tune indexes --try --fix
        agentpg tune indexes --apply public.orders_customer_idx --dry-run
        # Take a change back.
        agentpg tune indexes --undo /var/lib/agentpg/undo/indexes-….sql
    """,
)
@click.option("--try", "trying", is_flag=True, help="Try what is proposed on a private copy.")
@click.option(
    "--statements",
    "most",
    type=click.IntRange(1, 1000),
    default=50,
    show_default=True,
    help="How many statements are looked at, those with most time first.",
)
@click.option(
    "--sample",
    type=SizeType(1024**2, N_("it is less than 1MiB; say the unit, as in 512MiB")),
    default="1GiB",
    show_default=True,
    help="With --try: how much is copied at most; of larger tables a part.",
)
@click.option(
    "--apply",
    "names",
    type=GIVEN,
    metavar="NAME",
    multiple=True,
    help="Make, drop or rebuild this index, as is said of it.",
)
@click.option("--fix", is_flag=True, help="Do all that is safe, after asking.")
@click.option("--undo", type=FILE_PATH, metavar="FILE", help="Take back what was done.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--lock-timeout",
    type=DURATION,
    default="30s",
    show_default=True,
    help="How long to wait for locks and older transactions.",
)
@findings_options
@click.pass_obj
def indexes(
    session: Session,
    trying: bool,
    most: int,
    sample: int,
    names: tuple[str, ...],
    fix: bool,
    undo: Path | None,
    dry_run: bool,
    yes: bool,
    lock_timeout: timedelta,
    show_all: bool,
    fail_on: Level,
    as_json: bool,
) -> int:
    """Propose indexes for all that runs, and find those that are useless, broken or worn.

    What runs is read from pg_stat_statements, and each proposal names its statements and what it
    costs. None is said to be quicker unless that was measured: with --try, on a private copy of
    the tables. --apply and --fix build and drop without holding up who reads or writes, see that
    it worked, and leave a file that undoes it. What the disk has no room for is not built. Exits
    as `agentpg doctor` does.
    """
    from agentpg.cli.tune_indexes_view import document, show, show_done

    work = _Work(session)
    if undo is not None:
        return work.take_back(
            undo, alone=not (names or fix or trying), dry_run=dry_run, yes=yes, as_json=as_json
        )
    view = work.look(most)
    if trying:
        view = work.tried(view, sample)
    actions = work.actions(view, names, fix=fix)
    if not as_json:
        show(session.out, view, show_all=show_all)
    done: list[Done] = []
    if actions and not dry_run and (yes or work.agreed(actions, quiet=as_json)):
        work.apply(actions, lock_timeout, done, quiet=as_json)
    elif dry_run and not as_json:
        work.show_actions(actions)
    elif actions and not done:
        session.out.note(session.translate(N_("Nothing was changed.")))
    elif fix and not as_json:
        session.out.note(session.translate(N_("There is nothing that is safe to do.")))
    if as_json:
        session.out.json(document(session.database.target(), view, actions, done))
    elif done:
        show_done(session.out, done)
    return exit_code(view.findings, fail_on)


class _Work:
    """One call of the command."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def look(self, most: int) -> View:
        """What there is, and what is proposed."""
        from agentpg.desk.tune.indexing.looking import look

        return look(self._owner(), most)

    def tried(self, view: View, sample: int) -> View:
        """The same with what was measured on a copy."""
        from agentpg.desk.tune.indexing.copying import CopyOptions
        from agentpg.desk.tune.indexing.trying import try_proposals

        session = self._session
        options = CopyOptions(
            parent=session.home / "scratch", pg_bin=session.settings.pg_bin, most_bytes=sample
        )
        title = session.translate(N_("Trying indexes on a copy"))
        number = sum(bool(one.statements) for one in view.proposals)
        with session.out.progress(title, number) as progress:

            def tell(one: Proposal) -> None:
                progress.advance(1, one.name)

            found = try_proposals(self._owner(), view.proposals, options, tell)
        return view.with_proposals(found)

    def actions(self, view: View, names: Sequence[str], *, fix: bool) -> tuple[Action, ...]:
        """What is to be done."""
        from agentpg.desk.tune.indexing.actions import named_actions, safe_actions

        named = named_actions(view, names)
        safe = safe_actions(view) if fix else ()
        return (*named, *(one for one in safe if one.name not in {n.name for n in named}))

    def show_actions(self, actions: Sequence[Action]) -> None:
        """The SQL that would be run."""
        out = self._session.out
        out.line()
        for action in actions:
            out.line(f"  {action.sql}")

    def take_back(self, path: Path, *, alone: bool, dry_run: bool, yes: bool, as_json: bool) -> int:
        """Undo what was done, after showing it and asking; the exit code."""
        from agentpg.desk.tune.indexing.undoing import read_undo, take_back

        if not alone:
            raise UsageError(N_("--undo goes alone"))
        out, undo = self._session.out, read_undo(path)
        if not as_json:
            for statement in undo.statements:
                out.line(f"  {statement};")
        undone = not dry_run and (yes or self._confirmed())
        if undone:
            take_back(self._owner(), undo, path)
        if as_json:
            out.json({"statements": undo.statements, "undone": undone})
        elif undone:
            out.note(self._session.translate(N_("It was taken back.")))
        elif not dry_run:
            out.note(self._session.translate(N_("Nothing was changed.")))
        return 0

    def agreed(self, actions: Sequence[Action], *, quiet: bool) -> bool:
        """Ask, having shown the SQL."""
        if not quiet:
            self.show_actions(actions)
        return self._confirmed()

    def _confirmed(self) -> bool:
        if not sys.stdin.isatty():
            raise UsageError(
                N_("nobody can be asked whether to go ahead"), hint=N_("Say --yes to go ahead.")
            )
        return click.confirm(self._session.translate(N_("Do this now?")), err=True)

    def apply(
        self,
        actions: Sequence[Action],
        lock_timeout: timedelta,
        done: list[Done],
        *,
        quiet: bool,
    ) -> None:
        """Do it; what is done before one fails is told."""
        from agentpg.cli.tune_indexes_view import show_done
        from agentpg.desk.doctor.disk.looking import look_at_disks
        from agentpg.desk.doctor.disk.policy import policy_of
        from agentpg.desk.tune.indexing.applying import ApplyOptions, apply

        settings, owner = self._session.settings, self._owner()
        options = ApplyOptions(
            home=self._session.home,
            lock_timeout=lock_timeout,
            disks=lambda: look_at_disks(owner, settings, policy_of(settings)),
        )
        statements = [one.sql for one in actions]
        try:
            with self._session.recorded(Act.TUNE_INDEXES, statements=statements):
                apply(owner, actions, options, done.append)
        except BaseException:
            if not quiet:
                show_done(self._session.out, done)
            raise

    def _owner(self) -> Database:
        """The database as its owner, who may change it."""
        from agentpg.db import database_of

        session = self._session
        if session.settings.dsn_admin and "dsn" not in session.overrides:
            return database_of(session.settings.dsn_admin, session.settings)
        return session.database
