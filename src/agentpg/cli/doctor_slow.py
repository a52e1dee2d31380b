"""`agentpg doctor slow`: who blocks whom, what takes the time, and ending what is in the way."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from agentpg.audit.acting import Action
from agentpg.cli.command import Command
from agentpg.cli.doctor_fix import Fixing, documents, fix_options
from agentpg.cli.doctor_slow_view import document, show, show_ended, show_seen
from agentpg.cli.doctor_view import exit_code, findings_options
from agentpg.cli.session import Session
from agentpg.errors import UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.db import Database
    from agentpg.desk.doctor.fixing import Outcome
    from agentpg.desk.doctor.slow.ending import Ended, Way
    from agentpg.desk.doctor.slow.facts import Facts
    from agentpg.desk.finding import Finding, Level

# A server in trouble may take a while to answer, or not answer at all.
_PATIENCE_SECONDS = 5


@click.command(
    "slow",
    cls=Command,
    examples="""
        agentpg doctor slow
        # Show the session, ask, and cancel the statement that it runs.
        agentpg doctor slow --cancel 4711
        # End a session that leaves its transaction open.
        agentpg doctor slow --terminate 4711
        # The statements that take most of the time.
        agentpg doctor slow --json | jq '.statements.dearest[:3]'
    """,
)
@click.option(
    "--cancel",
    "cancelled",
    metavar="PROCESS",
    type=int,
    multiple=True,
    help="Cancel the statement of this process, after showing it and asking.",
)
@click.option(
    "--terminate",
    "terminated",
    metavar="PROCESS",
    type=int,
    multiple=True,
    help="End the session of this process, after showing it and asking.",
)
@click.option(
    "--top",
    "most",
    metavar="NUMBER",
    type=click.IntRange(0, 50),
    default=10,
    show_default=True,
    help="How many statements to show.",
)
@fix_options
@findings_options
@click.pass_obj
def verb(
    session: Session,
    cancelled: tuple[int, ...],
    terminated: tuple[int, ...],
    fix: bool,
    yes: bool,
    most: int,
    show_all: bool,
    fail_on: Level,
    as_json: bool,
) -> int:
    """Find what makes statements slow: who blocks whom, and what takes the time.

    After the findings come the sessions that block others, with those that wait for them, and the
    statements that took most of the time by pg_stat_statements, since yesterday where that is
    known. Statements are shown without their values. --cancel and --terminate end what was seen
    and nothing else, and say what became of it; a backup, or a vacuum that has to be, is not ended.
    --fix ends nobody: it does what is safe, as in any room. Exits as `agentpg doctor` does, with
    these options by what is found afterwards.
    """
    room = _Room(session)
    ended: list[Ended] | None = None
    if cancelled or terminated:
        ended = room.end([*_ways(cancelled, terminated)], yes=yes, quiet=as_json)
    facts, findings = room.look()
    if not as_json:
        show(session.out, facts, findings, show_all=show_all, most=most)
    fixes: list[Outcome] | None = None
    if fix:
        fixes = room.fix(findings, yes=yes, as_json=as_json)
        facts, findings = room.look() if fixes else (facts, findings)
    if as_json:
        said = {"target": room.target, **document(facts, findings, ended)}
        session.out.json(said if fixes is None else {**said, "fixes": documents(fixes)})
    return exit_code(findings, fail_on)


def _ways(cancelled: Sequence[int], terminated: Sequence[int]) -> Iterator[tuple[int, Way]]:
    for pid in cancelled:
        yield pid, "cancel"
    for pid in terminated:
        yield pid, "terminate"


class _Room:
    """One call of the command."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._engine = session.looked_at.with_patience(_PATIENCE_SECONDS)
        self.target = self._engine.target()

    def look(self) -> tuple[Facts, Sequence[Finding]]:
        """The facts, and what is said of them."""
        from agentpg.desk.doctor.slow.findings import find
        from agentpg.desk.doctor.slow.looking import look_at_work
        from agentpg.desk.doctor.slow.policy import policy_of
        from agentpg.desk.doctor.telling import told_once

        settings = self._session.settings
        facts = look_at_work(self._seeing(), settings, self._engine)
        return facts, told_once({"slow": find(facts, policy_of(settings))})["slow"]

    def fix(self, findings: Sequence[Finding], *, yes: bool, as_json: bool) -> list[Outcome]:
        """Do those remedies that are safe, after they were shown and agreed to."""

        def look(names: Sequence[str]) -> dict[str, Sequence[Finding]]:
            return {name: self.look()[1] for name in names}

        return Fixing(self._session, look, as_json=as_json).fix({"slow": findings}, yes=yes)[1]

    def end(self, ways: Sequence[tuple[int, Way]], *, yes: bool, quiet: bool) -> list[Ended]:
        """End each, after it was shown and agreed to; raises for the first that is not."""
        from agentpg.desk.doctor.slow.ending import end, look_for

        database, ended = self._acting(), []
        for pid, way in ways:
            seen = look_for(database, pid, way)
            if not quiet:
                show_seen(self._session.out, seen, way)
            if not (yes or self._ask(way)):
                self._session.out.note(self._session.translate(N_("Nothing was changed.")))
                continue
            with self._session.recorded(Action.DOCTOR_END, str(pid), way=way):
                ended.append(end(database, seen, way))
            if not quiet:
                show_ended(self._session.out, ended[-1])
                self._session.out.line()
        return ended

    def _seeing(self) -> Database:
        """The database as who sees most of it."""
        from agentpg.desk.doctor.disk.looking import as_monitor

        if "dsn" in self._session.overrides:
            return self._engine
        return as_monitor(self._engine, self._session.settings)

    def _acting(self) -> Database:
        """The same as who may end others' sessions: whoever may look need not be."""
        from agentpg.desk.doctor.disk.looking import as_administrator

        if "dsn" in self._session.overrides:
            return self._engine
        return as_administrator(self._engine, self._session.settings)

    def _ask(self, way: Way) -> bool:
        if not sys.stdin.isatty():
            raise UsageError(
                N_("nobody can be asked whether to go ahead"), hint=N_("Say --yes to go ahead.")
            )
        question = N_("Cancel this statement?") if way == "cancel" else N_("End this session?")
        return click.confirm(self._session.translate(question), err=True)
