"""`agentpg tune settings`: what the server's settings are, should be, and how they get there."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentpg.audit.acting import Action
from agentpg.cli.command import Command
from agentpg.cli.output import Output, json_option
from agentpg.cli.session import Session
from agentpg.cli.values import FILE_PATH, GIVEN, SizeType
from agentpg.cli.wrapping import cell_width, wrap
from agentpg.errors import UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.db import Database
    from agentpg.desk.doctor.settings.facts import DiskKind, Facts
    from agentpg.desk.doctor.settings.looking import Given
    from agentpg.desk.doctor.settings.proposal import Proposal
    from agentpg.desk.tune.settings_applying import Applied, Outcome
    from agentpg.desk.tune.settings_undo import Change

_RAM = SizeType(64 * 1024**2, N_("it is less than 64MiB; say the unit, as in 16GiB"))

_WIDEST = 100

# What a role has where nothing is set for it.
_UNSET = "–"
_NO_LONGER = N_("{name} is no longer set.")

_STATES = {
    "holds": N_("{name} is {now}."),
    "after restart": N_("{name} is {now} until the server is restarted."),
    "hidden": N_("{name} is set; this role or database has a value of its own for it."),
    "not seen": N_("{name} is {now}: the change is not seen yet. Look at the server's log."),
}


@click.command(
    "settings",
    cls=Command,
    examples="""
        agentpg tune settings
        # The server is on another machine.
        agentpg tune settings --ram 16GiB --cpus 4 --disk ssd
        # Show, ask, and set these; without names, all but what must be named.
        agentpg tune settings --apply shared_buffers random_page_cost
        # Take it back.
        agentpg tune settings --undo /var/lib/agentpg/undo/settings-….sql
    """,
)
@click.argument("names", nargs=-1, metavar="[NAME]...", type=GIVEN, help="With --apply: which.")
@click.option("--apply", "applies", is_flag=True, help="Set what is proposed, after asking.")
@click.option("--undo", type=FILE_PATH, metavar="FILE", help="Take back what was set.")
@click.option("--ram", type=_RAM, metavar="SIZE", help="The memory that the server may use.")
@click.option("--cpus", type=click.IntRange(min=1), help="The processors that it may use.")
@click.option("--disk", type=click.Choice(["ssd", "hdd"]), help="What its data lies on.")
@click.option(
    "--planned",
    is_flag=True,
    help="The machine is planned: judge by what is said, and set nothing.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def settings(
    session: Session,
    names: tuple[str, ...],
    applies: bool,
    undo: Path | None,
    ram: int | None,
    cpus: int | None,
    disk: DiskKind | None,
    planned: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Compare the server's settings with its machine and its work, and set what is better.

    Each proposal has its reason and where the rule is from. With --apply they are set by ALTER
    SYSTEM, all or none, after what was there before was written to a file; then each is seen to
    hold, or to wait for a restart. What may end somebody's work is only set where it is named, and
    what the server is started with can't be set here. Nothing is proposed that makes what was
    committed less safe.
    """
    from agentpg.desk.doctor.settings.looking import Given

    if names and not applies:
        raise UsageError(N_("names are for --apply"))
    if undo is not None:
        if applies:
            raise UsageError(N_("--apply and --undo are not for one call"))
        _undo(session, undo, yes=yes, as_json=as_json)
        return
    if planned and applies:
        raise UsageError(N_("nothing is set for a machine that is only planned"))
    room = _Room(session, Given(ram_bytes=ram, cpus=cpus, disk=disk), planned=planned)
    if applies:
        room.apply(names, yes=yes, as_json=as_json)
    else:
        room.show(as_json=as_json)


class _Room:
    """One call of the command."""

    def __init__(self, session: Session, given: Given, *, planned: bool) -> None:
        from agentpg.desk.doctor.settings.looking import look_at_settings, refuse_beyond
        from agentpg.desk.doctor.settings.policy import Policy
        from agentpg.desk.doctor.settings.proposing import propose

        self._session = session
        self._planned = planned
        self._database = _database(session)
        self._facts = look_at_settings(self._database, given)
        if not planned:
            refuse_beyond(self._facts, given)
        self._proposals = propose(self._facts, Policy())

    def show(self, *, as_json: bool) -> None:
        """What is proposed, and by which machine."""
        out = self._session.out
        if as_json:
            out.json({**_document(self._facts, self._proposals, None), "planned": self._planned})
            return
        if self._planned:
            out.line(
                out.translate(N_("For a machine that is planned, not for the one it runs on:"))
            )
        out.facts(_machine_lines(out, self._facts))
        out.line()
        show_proposals(out, self._proposals)

    def apply(self, names: Sequence[str], *, yes: bool, as_json: bool) -> None:
        """Set what is chosen, after asking."""
        from agentpg.desk.tune.settings_applying import changes_of, choose

        chosen = choose(self._proposals, names)
        out = self._session.out
        for one in self._proposals:
            if one.pinned and not names:
                text = out.translate(N_("{name} is left: {reason}"))
                out.note(text.format(name=one.label, reason=out.translate(one.pinned)))
        if not chosen:
            if as_json:
                out.json(_document(self._facts, self._proposals, None))
            else:
                out.line(self._session.translate(N_("There is nothing to set.")))
            return
        if not as_json:
            show_proposals(out, chosen)
        applied = _agree_and(self._session, changes_of(chosen), yes=yes, quiet=as_json)
        if applied is None:
            return
        if as_json:
            out.json(_document(self._facts, chosen, applied))
        else:
            _say(out, applied)


def show_proposals(out: Output, proposals: Sequence[Proposal]) -> None:
    """Each with its values in columns, and below it why, and where the rule is from."""
    if not proposals:
        out.line(out.translate(N_("The settings fit the machine and its work.")))
        return
    named = [one.label for one in proposals]
    values = [f"{one.now or '–'} → {one.proposed}" for one in proposals]
    widths = [max(cell_width(text) for text in texts) for texts in (named, values)]
    for one, name, value in zip(proposals, named, values, strict=True):
        row = _row((name, value), widths, _holds(out, one), out.width)
        fits = cell_width(row) <= out.width
        for line in [row] if fits else wrap(row, out.width, rest="    "):
            out.line(line)
        why = f"{one.reason(out.translate)} [{out.translate(one.source)}]"
        for text in filter(None, (why, one.pinned and out.translate(one.pinned))):
            for line in wrap(text, min(out.width, _WIDEST), first="    ", rest="    "):
                out.line(line)
    if any(one.asked for one in proposals):
        out.line()
        out.line(out.translate(N_("* only where it is named: it may end what somebody does.")))


def _row(texts: Sequence[str], widths: Sequence[int], last: str, width: int) -> str:
    """In columns where they fit; else one after another."""
    fits = sum(widths) + 2 * len(widths) + cell_width(last) <= width
    padded = [
        text + " " * (most - cell_width(text)) if fits else text
        for text, most in zip(texts, widths, strict=True)
    ]
    return "  ".join([*padded, last])


def _holds(out: Output, one: Proposal) -> str:
    if one.pinned:
        return out.translate(N_("not from here"))
    text = N_("at restart") if one.restart else N_("new sessions") if one.role else N_("at once")
    return f"{out.translate(text)}{' *' if one.asked else ''}"


def _undo(session: Session, path: Path, *, yes: bool, as_json: bool) -> None:
    from agentpg.desk.tune.settings_applying import Applier
    from agentpg.desk.tune.settings_undo import read_undo

    undo = read_undo(path)
    if not as_json:
        for change in undo.changes:
            session.out.line(f"  {change.sql}")
    if not _agreed(session, yes=yes):
        return
    statements = [change.sql for change in undo.changes]
    with session.recorded(Action.TUNE_SETTINGS, "undo", statements=statements):
        applied = Applier(_database(session), session.home).undo(undo, path)
    if as_json:
        session.out.json(_outcome_document(applied))
        return
    _say(session.out, applied)
    for label in applied.left:
        text = session.translate(
            N_("{name} was left as it is: what was there before makes commits less safe.")
        )
        session.out.note(text.format(name=label))


def _agree_and(
    session: Session, changes: Sequence[Change], *, yes: bool, quiet: bool
) -> Applied | None:
    from agentpg.desk.tune.settings_applying import Applier

    if not quiet:
        session.out.line()
        for change in changes:
            session.out.line(f"  {change.sql}")
    if not _agreed(session, yes=yes):
        return None
    with session.recorded(Action.TUNE_SETTINGS, statements=[change.sql for change in changes]):
        return Applier(_database(session), session.home).apply(changes)


def _agreed(session: Session, *, yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError(
            N_("nobody can be asked whether to go ahead"), hint=N_("Say --yes to go ahead.")
        )
    if click.confirm(session.translate(N_("Set this now?")), err=True):
        return True
    session.out.note(session.translate(N_("Nothing was changed.")))
    return False


def _say(out: Output, applied: Applied) -> None:
    for one in applied.outcomes:
        unset = one.state == "holds" and one.now == _UNSET
        text = _NO_LONGER if unset else _STATES[one.state]
        out.line(out.translate(text).format(name=one.label, now=one.now or _UNSET))
    text = out.translate(N_("To take it back: agentpg tune settings --undo {path}"))
    out.line(text.format(path=applied.undo))


def _database(session: Session) -> Database:
    """The private server as its superuser; else the one that is configured, or its owner."""
    from agentpg.db import database_of
    from agentpg.desk.doctor.disk.looking import as_administrator

    if session.settings.dsn_admin and "dsn" not in session.overrides:
        found = database_of(session.settings.dsn_admin, session.settings)
        return as_administrator(found, session.settings)
    return as_administrator(session.database, session.settings)


def _machine_lines(out: Output, facts: Facts) -> Sequence[tuple[str, object]]:
    from agentpg.cli import figures
    from agentpg.desk.check import Unlooked

    machine = facts.machine
    if isinstance(machine, Unlooked):
        said = out.translate(N_("{reason}; say --ram, --cpus and --disk")).format(
            reason=out.translate(machine.reason)
        )
        return ((N_("machine"), said),)
    memory = figures.size(machine.ram_bytes)
    if machine.is_limited:
        memory = out.translate(N_("{size}, by its control group")).format(size=memory)
    return (
        (N_("memory"), memory),
        (N_("processors"), machine.cpus),
        (N_("disk"), machine.disk or out.translate(N_("of a kind that is not known; say --disk"))),
    )


def _document(
    facts: Facts, proposals: Sequence[Proposal], applied: Applied | None
) -> dict[str, object]:
    from agentpg.desk.check import Unlooked

    machine = facts.machine
    said: dict[str, object] = {
        "machine": None if isinstance(machine, Unlooked) else machine,
        "unknown": machine.reason if isinstance(machine, Unlooked) else None,
        "proposals": [_proposal(one) for one in proposals],
    }
    return said if applied is None else {**said, **_outcome_document(applied)}


def _proposal(one: Proposal) -> dict[str, object]:
    return {
        "name": one.label,
        "setting": one.name,
        "role": one.role or None,
        "now": one.now,
        "proposed": one.proposed,
        "topic": one.topic,
        "level": one.level,
        "why": one.reason(),
        "source": one.source,
        "restart": one.restart,
        "only_named": one.asked,
        "pinned": one.pinned or None,
        "sql": one.sql,
    }


def _outcome_document(applied: Applied) -> dict[str, object]:
    def outcome(one: Outcome) -> dict[str, object]:
        return {"name": one.label, "state": one.state, "now": one.now}

    return {
        "outcomes": [outcome(one) for one in applied.outcomes],
        "undo": applied.undo,
        "left": applied.left,
    }
