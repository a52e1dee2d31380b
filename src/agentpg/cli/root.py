"""The root of the command line: its nouns, loaded when they are used, and the global options."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import click

from agentpg.cli.command import Group, remember
from agentpg.cli.values import GIVEN
from agentpg.language import N_

# What a shell reports for a program that SIGPIPE ended.
PIPE_CLOSED = 141


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun that is not loaded yet: where it is, and the first paragraph of its help."""

    module: str
    attribute: str
    summary: str


NOUNS = {
    "up": Noun("up", "up", N_("Start all that is needed here and stay.")),
    "demo": Noun("demo", "demo", N_("Show real work being done, recorded and rescued.")),
    "setup": Noun(
        "setup", "setup", N_("Prepare an existing PostgreSQL: role, database, schema and tables.")
    ),
    "status": Noun("status", "status", N_("Show the state of the installation on one screen.")),
    "config": Noun("config", "config", N_("Show and check the settings.")),
    "server": Noun("server", "server", N_("Run the private PostgreSQL server.")),
    "schema": Noun("schema", "schema", N_("Install, upgrade and verify the schema.")),
    "task": Noun("task", "task", N_("Submit tasks and follow them.")),
    "worker": Noun("worker", "worker", N_("Run the handlers of agents.")),
    "agent": Noun("agent", "agent", N_("Show, limit, pause and resume agents.")),
    "schedule": Noun("schedule", "schedule", N_("Submit tasks again and again, by the clock.")),
    "report": Noun(
        "report", "report", N_("Write the operations and cost report of the last days.")
    ),
    "retention": Noun(
        "retention", "retention", N_("Remove old finished history, keep it in files, restore it.")
    ),
    "backup": Noun(
        "backup", "backup", N_("Make backups, prove them, restore them, remove old ones.")
    ),
    "doctor": Noun("doctor", "doctor", N_("Look for what is wrong, and say what to do about it.")),
    "tune": Noun(
        "tune",
        "tune",
        N_("Keep the database fast and small; each change is shown before it is made."),
    ),
    "security": Noun(
        "security", "security", N_("Keep out who has no business here, and see that nothing leaks.")
    ),
    "user": Noun("user", "user", N_("Keep accounts: who may do what, by password or by token.")),
    "monitor": Noun("monitor", "monitor", N_("Look at the server and the agents while they work.")),
    "notify": Noun(
        "notify", "notify", N_("Tell people what is wrong: contacts, alerts, silences.")
    ),
    "completion": Noun("completion", "completion", N_("Print the completion script of a shell.")),
}


class Root(Group):
    """The group `agentpg`; a noun's file is imported when the noun is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The nouns of this installation, in the order of the table."""
        del ctx
        return [name for name, noun in NOUNS.items() if find_spec(_path(noun))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one noun."""
        if cmd_name not in self.list_commands(ctx):
            return None
        noun = NOUNS[cmd_name]
        command: click.Command = getattr(import_module(_path(noun)), noun.attribute)
        return command

    def summaries(self, ctx: click.Context) -> list[tuple[str, str]]:
        """From the table, so that the help of `agentpg` loads no noun."""
        return [(name, NOUNS[name].summary) for name in self.list_commands(ctx)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Click's own, with the nouns as what may have been meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            nouns = self.list_commands(ctx)
            raise click.NoSuchCommand(error.command_name, possibilities=nouns, ctx=ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Click's own; a reader that has closed the pipe is no error."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            ctx.exit(PIPE_CLOSED)


def _path(noun: Noun) -> str:
    return f"agentpg.cli.{noun.module}"


def _print_version(context: click.Context, option: click.Parameter, value: bool) -> None:
    del option
    if value and not context.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"agentpg {version('agentpg')}")
        context.exit()


@click.group(
    "agentpg",
    cls=Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    examples="""
        # Start everything here and stay: server, schema, worker.
        agentpg up
        # Give an agent something to do, and look at it.
        agentpg task submit ReportAgent weekly_report
        agentpg task list
        # Use a database of your own.
        agentpg --dsn postgresql://admin@db.example/agentic_ai status
    """,
)
@click.option(
    "--dsn",
    metavar="DSN",
    type=GIVEN,
    help="The database, as a libpq connection string or URI.",
    callback=remember,
    is_eager=True,
    expose_value=False,
)
@click.option(
    "--schema",
    "schema_name",
    metavar="NAME",
    help="The schema that holds the tables.",
    callback=remember,
    is_eager=True,
    expose_value=False,
)
@click.option(
    "--home",
    metavar="FOLDER",
    help="The folder of the private server, of reports and of backups.",
    callback=remember,
    is_eager=True,
    expose_value=False,
)
@click.option(
    "--lang",
    type=click.Choice(["en", "ko"]),
    help="The language of messages.",
    callback=remember,
    is_eager=True,
    expose_value=False,
)
@click.option(
    "--debug",
    is_flag=True,
    help="Show the traceback of an error.",
    callback=remember,
    is_eager=True,
    expose_value=False,
)
@click.option(
    "--no-color",
    is_flag=True,
    help="Print without colours.",
    callback=remember,
    is_eager=True,
    expose_value=False,
)
@click.option(
    "--version",
    is_flag=True,
    help="Print the version.",
    callback=_print_version,
    is_eager=True,
    expose_value=False,
)
def root() -> None:
    """Run, record and operate AI agents' work on PostgreSQL.

    These options may stand before or after the command. Each has a setting that it
    overrides; `agentpg config show` lists them.
    """
