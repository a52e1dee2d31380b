"""`agentpg doctor`: what is wrong, how sure that is, what to type, whom to call.

Each room is a verb. Most are made here, all alike; one with options or an output of its own has
a file `doctor_….py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import click

from agentpg.cli.command import Command, Group
from agentpg.cli.doctor_fix import Fixing, documents, fix_options
from agentpg.cli.doctor_view import (
    FINDINGS,
    UNCHECKED,
    document,
    exit_code,
    findings_options,
    report,
    show_counts,
    show_finding,
)
from agentpg.cli.session import Session
from agentpg.desk.doctor.rooms import ROOMS
from agentpg.errors import SettingError, UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.db import Database
    from agentpg.desk.finding import Finding, Level

__all__ = ["FINDINGS", "UNCHECKED", "doctor", "exit_code", "show_finding"]

# The rooms whose verb is not like the others'.
_OWN = {
    "connection": "agentpg.cli.doctor_connection",
    "disk": "agentpg.cli.doctor_disk",
    "slow": "agentpg.cli.doctor_slow",
}


class Rooms(Group):
    """The group `agentpg doctor`; a room's verb is made when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The rooms, in the order of the table."""
        del ctx
        return list(ROOMS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb of one room."""
        del ctx
        if cmd_name in _OWN:
            return cast(click.Command, import_module(_OWN[cmd_name]).verb)
        return _verb(cmd_name) if cmd_name in ROOMS else None

    def summaries(self, ctx: click.Context) -> list[tuple[str, str]]:
        """From the table, so that the help loads no room."""
        return [(name, ROOMS[name].summary) for name in self.list_commands(ctx)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Click's own, with the rooms as what may have been meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(
                error.command_name, possibilities=list(ROOMS), ctx=ctx
            ) from None


@click.group(
    "doctor",
    cls=Rooms,
    invoke_without_command=True,
    examples="""
        agentpg doctor
        agentpg doctor backup
        # What was looked at and is well, too.
        agentpg doctor backup --all
        # Show what is safe to do, ask, do it, and look again.
        agentpg doctor --fix
        # In a script: 0 well, 5 findings, 6 something could not be looked at.
        agentpg doctor --fail-on critical --json > findings.json
    """,
)
@fix_options
@findings_options
@click.pass_context
def doctor(ctx: click.Context, /, **said: Any) -> int:
    """Look for what is wrong, and say what to do about it.

    Without a room, all of them are looked at, and what is info is a line each; its room says more,
    and so does --all. Exits with 5 where there are findings of the level of --fail-on or above,
    and else with 6 where something could not be looked at: that is never taken for good news. With
    --fix it does those of the remedies that are safe, looks again, and exits by what is found
    then.
    """
    if not ctx.invoked_subcommand:
        return _examine(ctx.ensure_object(Session), (), **said)
    if said["fix"] and not _fixes(ctx, ctx.invoked_subcommand):
        raise UsageError(N_("nothing of this room is mended by --fix"))
    # What stands before the room's name holds for the room.
    ctx.default_map = {ctx.invoked_subcommand: said}
    return 0


def _fixes(ctx: click.Context, room: str) -> bool:
    """Whether the verb of a room has the option `--fix`."""
    command = doctor.get_command(ctx, room)
    return command is None or any("--fix" in one.opts for one in command.params)


def _verb(name: str) -> click.Command:
    """The verb of a room that has no options of its own."""

    @click.command(name, cls=Command, help=ROOMS[name].summary, examples=f"agentpg doctor {name}")
    @fix_options
    @findings_options
    @click.pass_obj
    def verb(session: Session, /, **said: Any) -> int:
        return _examine(session, (name,), **said)

    return verb


def _examine(
    session: Session,
    rooms: tuple[str, ...],
    *,
    fix: bool,
    yes: bool,
    show_all: bool,
    fail_on: Level,
    as_json: bool,
) -> int:
    from agentpg.desk.doctor.rooms import examine

    if yes and not fix:
        raise UsageError(N_("--yes is for --fix"))
    database, target = _database(session, rooms)

    def look(names: Sequence[str]) -> dict[str, list[Finding]]:
        return examine(database, session.settings, names)

    found = look(rooms)
    shown = partial(report, session, found, show_all=show_all, fail_on=fail_on, target=target)
    if not fix:
        return shown(as_json=as_json)
    if not as_json:
        shown(as_json=False)
    after, outcomes = Fixing(session, look, as_json=as_json).fix(found, yes=yes)
    findings = [finding for room in after.values() for finding in room]
    if as_json:
        said = document(target, {name: list(room) for name, room in after.items()})
        session.out.json({**said, "fixes": documents(outcomes)})
    elif outcomes:
        session.out.line()
        show_counts(session.out, findings)
    return exit_code(findings, fail_on)


def _database(session: Session, rooms: Sequence[str]) -> tuple[Database, str]:
    """What is looked at, and its name. Where all rooms look, one of them says what is wrong with a
    connection string that nobody can read; then it has no name."""
    try:
        return session.looked_at, session.looked_at.target()
    except SettingError:
        if rooms:
            raise
        from agentpg.db import Database

        return Database(session.settings.dsn, session.settings.schema_name), ""
