"""`agentpg doctor`: what is wrong, how sure that is, what to type, whom to call.

Each room is a verb. Most are made here, all alike; one with options or an output of its own has
a file `doctor_….py`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import click

from agentpg.cli.command import Command, Group
from agentpg.cli.doctor_view import (
    FINDINGS,
    UNCHECKED,
    exit_code,
    findings_options,
    report,
    show_finding,
)
from agentpg.cli.session import Session
from agentpg.desk.doctor.rooms import ROOMS

if TYPE_CHECKING:
    from agentpg.desk.finding import Level

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
        # In a script: 0 well, 5 findings, 6 something could not be looked at.
        agentpg doctor --fail-on critical --json > findings.json
    """,
)
@findings_options
@click.pass_context
def doctor(ctx: click.Context, show_all: bool, fail_on: Level, as_json: bool) -> int:
    """Look for what is wrong, and say what to do about it.

    Without a room, all of them are looked at. Exits with 5 where there are findings of the level
    of --fail-on or above, and else with 6 where something could not be looked at: that is never
    taken for good news.
    """
    if ctx.invoked_subcommand:
        # What stands before the room's name holds for the room.
        said = {"show_all": show_all, "fail_on": fail_on, "as_json": as_json}
        ctx.default_map = {ctx.invoked_subcommand: said}
        return 0
    return _examine(ctx.ensure_object(Session), (), show_all, fail_on, as_json)


def _verb(name: str) -> click.Command:
    """The verb of a room that has no options of its own."""

    @click.command(name, cls=Command, help=ROOMS[name].summary, examples=f"agentpg doctor {name}")
    @findings_options
    @click.pass_obj
    def verb(session: Session, /, **said: Any) -> int:
        return _examine(session, (name,), **said)

    return verb


def _examine(
    session: Session, rooms: tuple[str, ...], show_all: bool, fail_on: Level, as_json: bool
) -> int:
    from agentpg.desk.doctor.rooms import examine

    found = examine(session.looked_at, session.settings, rooms)
    return report(session, found, show_all=show_all, fail_on=fail_on, as_json=as_json)
