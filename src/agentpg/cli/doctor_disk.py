"""`agentpg doctor disk`: what fills the disks, and the plan against it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from agentpg.audit.acting import Action
from agentpg.cli.command import Command
from agentpg.cli.doctor_disk_view import document, show, show_outcome, step_text
from agentpg.cli.doctor_view import exit_code, findings_options
from agentpg.cli.session import Session
from agentpg.cli.values import SizeType
from agentpg.errors import (
    AgentpgError,
    NoDatabase,
    NotStartedYet,
    ServerNotRunning,
    SlotActive,
    SlotNotFound,
    UsageError,
)
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.db import Database
    from agentpg.desk.doctor.disk.facts import Facts
    from agentpg.desk.doctor.disk.fixing import Fixer, Outcome
    from agentpg.desk.doctor.disk.steps import Plan, Step
    from agentpg.desk.finding import Finding, Level

# A server in trouble may take a while to answer, or not answer at all.
_PATIENCE_SECONDS = 5


@click.command(
    "disk",
    cls=Command,
    examples="""
        agentpg doctor disk
        # Show the plan, ask, and do the steps that are safe.
        agentpg doctor disk --fix
        # Drop a slot that nobody reads from, and let go of the WAL that it keeps.
        agentpg doctor disk --fix --drop-slot old_replica
        # On a good day: put room aside.
        agentpg doctor disk --make-ballast 512MiB
        # The server does not start for want of room.
        agentpg doctor disk --data /var/lib/postgresql/15/main
    """,
)
@click.option("--fix", is_flag=True, help="Do the safe steps of the plan, after asking.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--drop-slot",
    "slots",
    metavar="NAME",
    multiple=True,
    help="With --fix: drop this replication slot, if nobody reads from it.",
)
@click.option(
    "--cancel",
    "processes",
    metavar="PROCESS",
    type=int,
    multiple=True,
    help="With --fix: cancel the query of this process without asking for it alone.",
)
@click.option(
    "--make-ballast",
    "ballast",
    metavar="SIZE",
    type=SizeType(1024**2, N_("it is less than 1MiB; say the unit, as in 512MiB")),
    help="Make a file that takes this much room, to be given up when the disk is full.",
)
@click.option(
    "--data",
    "data_folder",
    metavar="FOLDER",
    help="The server's data folder, where it does not run.",
)
@findings_options
@click.pass_obj
def verb(
    session: Session,
    fix: bool,
    yes: bool,
    slots: tuple[str, ...],
    processes: tuple[int, ...],
    ballast: int | None,
    data_folder: str | None,
    show_all: bool,
    fail_on: Level,
    as_json: bool,
) -> int:
    """Find what fills the disks, and show a plan against it.

    The plan has its steps in their safe order, with the room that each gives back and needs. Where
    a disk is nearly full, the first finding is what fills it. It works while the server is down,
    from its files. With --fix it does the steps that are safe: the ballast, old logs of the server,
    backups that need not be kept, a checkpoint; each is looked at again right before, and measured.
    Exits as `agentpg doctor` does, with --fix by what is found afterwards.
    """
    if (slots or processes) and not fix:
        raise UsageError(N_("--drop-slot and --cancel are for --fix"))
    if data_folder is not None:
        session.override("data_folder", data_folder)
    room = _Room(session)
    if ballast is not None:
        room.make_ballast(ballast)
        return 0
    facts, findings, plan = room.look()
    if not as_json:
        show(session.out, facts, findings, plan, show_all=show_all)
    outcomes: list[Outcome] = []
    if fix:
        outcomes = room.fix(facts, plan, slots, processes, yes=yes, quiet=as_json)
        if outcomes:
            facts, findings, plan = room.look()
            if not as_json:
                room.say_after(facts)
    if as_json:
        said = document(facts, findings, plan, outcomes if fix else None)
        session.out.json({"target": room.target, **said})
    _raise_first(outcomes)
    return exit_code(findings, fail_on)


class _Room:
    """One call of the command."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._database = _database(session)
        self.target = "" if self._database is None else self._database.target()

    def look(self) -> tuple[Facts, Sequence[Finding], Plan]:
        """The facts, what is said of them, and the plan."""
        from agentpg.desk.doctor.disk.findings import find
        from agentpg.desk.doctor.disk.looking import look_at_disks
        from agentpg.desk.doctor.disk.planning import plan
        from agentpg.desk.doctor.disk.policy import policy_of

        settings = self._session.settings
        policy = policy_of(settings)
        facts = look_at_disks(self._database, settings, policy, _backed_up(self._session))
        findings = find(facts, policy)
        return facts, findings, plan(facts, findings, policy)

    def make_ballast(self, size_bytes: int) -> None:
        """Put room aside, and say where."""
        from agentpg.cli import figures
        from agentpg.desk.check import Unlooked
        from agentpg.desk.doctor.disk.ballast import make_ballast
        from agentpg.desk.doctor.disk.policy import policy_of
        from agentpg.errors import DataFolderUnknown

        session = self._session
        facts, _, _ = self.look()
        volume = facts.volume("data")
        if isinstance(facts.data, Unlooked) or volume is None:
            raise DataFolderUnknown
        leaves = policy_of(session.settings).ballast_leaves
        made = make_ballast(session.home, facts.data, volume, size_bytes, leaves)
        text = session.translate(N_("{path} takes {size}; {free} of {mount} are left."))
        free = figures.size(volume.free_bytes - size_bytes)
        said = text.format(
            path=made.path, size=figures.size(size_bytes), free=free, mount=volume.mount
        )
        session.out.line(said)

    def fix(
        self,
        facts: Facts,
        plan: Plan,
        slots: Sequence[str],
        processes: Sequence[int],
        *,
        yes: bool,
        quiet: bool,
    ) -> list[Outcome]:
        """Do what is safe, and what was named, in the order of the plan.

        One that fails does not keep the others from being done; its outcome has the error.
        """
        from agentpg.desk.doctor.disk.fixing import Outcome

        if slots and self._database is None:
            raise NoDatabase
        _refuse_used(facts, slots)
        steps = self._chosen(facts, plan, slots)
        self._say_unknown(steps, processes)
        if not steps:
            self._note(N_("There is nothing that could be done here."))
            return []
        fixer, outcomes = self._fixer(facts), []
        for step in self._agreed(steps, processes, yes=yes):
            with self._session.recorded(Action.DOCTOR_FIX, step.kind, of=step.subject) as course:
                try:
                    outcomes.append(fixer.do(step))
                except AgentpgError as error:
                    outcomes.append(Outcome(step=step, error=error))
                course.error = outcomes[-1].error
            if not quiet:
                show_outcome(self._session.out, outcomes[-1])
        if not outcomes:
            self._note(N_("Nothing was changed."))
        return outcomes

    def _agreed(self, steps: Sequence[Step], processes: Sequence[int], *, yes: bool) -> list[Step]:
        """Those of the steps that may be done."""
        safe = [step for step in steps if step.doer != "asked"]
        agreed = bool(safe) and (yes or self._agree(safe))
        return [
            step
            for step in steps
            if (agreed if step in safe else self._may_cancel(step, processes, yes=yes))
        ]

    def _say_unknown(self, steps: Sequence[Step], processes: Sequence[int]) -> None:
        """A process that was named and that the plan does not have."""
        planned = {step.subject for step in steps if step.kind == "cancel_query"}
        text = self._session.translate(
            N_("Process {process} is not in the plan; nothing of it is cancelled.")
        )
        for process in processes:
            if str(process) not in planned:
                self._session.out.note(text.format(process=process))

    def say_after(self, facts: Facts) -> None:
        """How full the disks are now."""
        from agentpg.cli import figures

        text = self._session.translate(N_("Now {mount} is {percent} % full, and {free} are left."))
        for volume in facts.volumes:
            free = figures.size(volume.free_bytes)
            percent = int(volume.used * 100)
            said = text.format(mount=volume.mount, percent=percent, free=free)
            self._session.out.line(said)

    def _fixer(self, facts: Facts) -> Fixer:
        from agentpg.desk.doctor.disk.fixing import Fixer, agreed_on
        from agentpg.desk.doctor.disk.looking import as_administrator

        session = self._session
        # Whoever may look need not be who may act.
        database = self._database and as_administrator(session.looked_at, session.settings)
        return Fixer(database, session.settings, agreed_on(facts), _backed_up(session))

    def _chosen(self, facts: Facts, plan: Plan, slots: Sequence[str]) -> list[Step]:
        """The steps that may be done here; a named slot is one of them in any case."""
        from agentpg.desk.doctor.disk.planning import named_slot

        chosen = [step for step in plan.steps if step.doer in ("fix", "asked")]
        if not slots:
            return chosen
        # After each comes a checkpoint.
        others = [step for step in chosen if step.kind != "checkpoint"]
        return [*others, *(named_slot(facts, name) for name in slots)]

    def _agree(self, steps: Sequence[Step]) -> bool:
        out = self._session.out
        out.line()
        for step in steps:
            out.line(f"  {step_text(out, step)}")
        return self._ask(N_("Do this now?"))

    def _may_cancel(self, step: Step, processes: Sequence[int], *, yes: bool) -> bool:
        if int(step.subject) in processes:
            return True
        if yes:
            text = self._session.translate(N_("Not done: {step} It takes --cancel {process}."))
            said = text.format(step=step_text(self._session.out, step), process=step.subject)
            self._session.out.note(said)
            return False
        self._session.out.line(f"  {step_text(self._session.out, step)}")
        return self._ask(N_("Cancel this query?"))

    def _ask(self, question: str) -> bool:
        if not sys.stdin.isatty():
            raise UsageError(
                N_("nobody can be asked whether to go ahead"), hint=N_("Say --yes to go ahead.")
            )
        return click.confirm(self._session.translate(question), err=True)

    def _note(self, text: str) -> None:
        self._session.out.note(self._session.translate(text))


def _raise_first(outcomes: Sequence[Outcome]) -> None:
    """Raise what went wrong first, once all is told."""
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error


def _refuse_used(facts: Facts, names: Sequence[str]) -> None:
    """Before anything is done. Raises SlotNotFound and SlotActive."""
    from agentpg.desk.check import Unlooked

    if isinstance(facts.slots, Unlooked):
        return
    slots = {slot.name: slot for slot in facts.slots}
    for name in names:
        if name not in slots:
            raise SlotNotFound(slot=name)
        if slots[name].active:
            raise SlotActive(slot=name, process=slots[name].process)


def _backed_up(session: Session) -> Database | None:
    """The database as who makes its backups; None where there is none that may answer."""
    try:
        return session.backup_database.with_patience(_PATIENCE_SECONDS)
    except (NoDatabase, NotStartedYet, ServerNotRunning):
        return None


def _database(session: Session) -> Database | None:
    """The database as who sees most of it, whether it answers or not; None where there is none."""
    from agentpg.desk.doctor.disk.looking import as_monitor

    try:
        database = session.looked_at.with_patience(_PATIENCE_SECONDS)
    except (NoDatabase, NotStartedYet):
        return None
    if "dsn" in session.overrides:
        return database
    return as_monitor(database, session.settings)
