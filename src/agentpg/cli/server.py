"""`agentpg server`: the private PostgreSQL server in `home`."""

from __future__ import annotations

import dataclasses
import getopt
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from agentpg.cli.command import Group
from agentpg.cli.figures import UNKNOWN
from agentpg.cli.output import json_option
from agentpg.cli.session import Session
from agentpg.errors import AgentpgError, ServerNotRunning, UsageError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.embedded import ServerStatus, StopMode

# psql's options as getopt reads them: those with a value are followed by : or =.
_PSQL_SHORT = "aAbc:d:eEf:F:h:HlL:no:p:P:qR:sStT:U:v:VwWxXz?01"
_PSQL_LONG = [
    *("command=", "dbname=", "file=", "list", "set=", "variable=", "version", "no-psqlrc"),
    *("single-transaction", "help=", "echo-all", "echo-errors", "echo-queries", "echo-hidden"),
    *("log-file=", "no-readline", "output=", "quiet", "single-step", "single-line", "no-align"),
    *("csv", "field-separator=", "html", "pset=", "record-separator=", "tuples-only"),
    *("table-attr=", "expanded", "field-separator-zero", "record-separator-zero"),
    *("host=", "port=", "username=", "no-password", "password"),
]
_ELSEWHERE = N_("Give -d the name of another database alone; for another server call psql itself.")

_role = click.option(
    "--role", default="admin", show_default=True, metavar="NAME", help="The role to connect as."
)
_dbname = click.option(
    "--database",
    default="agentic_ai",
    show_default=True,
    metavar="NAME",
    help="The database to connect to.",
)


@click.group(
    "server",
    cls=Group,
    examples="""
        agentpg server start
        agentpg server psql -c 'SELECT version()'
        agentpg server stop
    """,
)
def server() -> None:
    """Run the private PostgreSQL server.

    Its data, its passwords and its log are in the folder `home`; it listens on a socket
    there and on the loopback address only.
    """


@server.command(
    "start",
    examples="""
        agentpg server start
        # Somewhere else, with binaries of your own.
        AGENTPG_PG_BIN=/usr/lib/postgresql/15/bin agentpg --home ./data server start
    """,
)
@json_option
@click.pass_obj
def start(session: Session, as_json: bool) -> None:
    """Start the server, and make it at the first time.

    A server that runs already is left as it is.
    """
    status = session.server.start()
    with suppress(AgentpgError):  # a server in need starts all the same
        session.server.let_owner_watch()
    if as_json:
        session.out.json({**_document(status), "dsn": session.server.dsn()})
        return
    _show(session, status)
    _show_ways_in(session)


@server.command(
    "stop",
    examples="""
        agentpg server stop
        # Do not wait for open transactions; the next start recovers.
        agentpg server stop --mode immediate
    """,
)
@click.option(
    "--mode",
    type=click.Choice(["smart", "fast", "immediate"]),
    default="fast",
    show_default=True,
    help="smart waits for clients to leave, fast ends their transactions, "
    "immediate stops like a crash.",
)
@click.pass_obj
def stop(session: Session, mode: StopMode) -> None:
    """Stop the server.

    A server that does not run is no error.
    """
    _ = session.translate
    if session.server.stop(mode):
        session.out.line(_(N_("The server has stopped.")))
    else:
        session.out.line(_(N_("The server was not running.")))


@server.command(
    "status",
    examples="""
        agentpg server status
        agentpg server status --json
    """,
)
@json_option
@click.pass_obj
def status(session: Session, as_json: bool) -> int:
    """Show whether the server runs, and where.

    Exits with 3 where it does not run.
    """
    found = session.server.status()
    if as_json:
        session.out.json(_document(found))
    else:
        _show(session, found)
    return 0 if found.running else ServerNotRunning.exit_code


@server.command(
    "dsn",
    examples="""
        agentpg server dsn
        psql "$(agentpg server dsn)"
        export AGENTPG_DSN="$(agentpg server dsn)"
    """,
)
@_role
@_dbname
@click.pass_obj
def dsn(session: Session, role: str, database: str) -> None:
    """Print the server's connection string.

    It holds no password but the name of the file with the passwords.
    """
    from agentpg.cli.parted import dsn_as

    _require_running(session)
    session.out.line(dsn_as(session, role, database))


@server.command(
    "psql",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    examples="""
        agentpg server psql
        agentpg server psql -c 'SELECT count(*) FROM tasks'
        agentpg server psql -f report.sql
        # psql's own help.
        agentpg server psql -- --help
    """,
)
@_role
@_dbname
@click.argument(
    "arguments",
    metavar="[ARGS]...",
    nargs=-1,
    type=click.UNPROCESSED,
    help="Options and arguments of psql.",
)
@click.pass_obj
def psql(session: Session, role: str, database: str, arguments: tuple[str, ...]) -> None:
    """Open psql on the server, with the same version's binary.

    Another database of the server is `-d NAME`, another role `-U NAME`.
    """
    from agentpg.cli.parted import dsn_as
    from agentpg.db import environment_of

    _require_running(session)
    stay_on_the_server(arguments)
    tool = str(session.server.tool("psql"))
    environment = environment_of(dsn_as(session, role, database))
    sys.stdout.flush()
    os.execve(tool, [tool, *arguments], environment)  # noqa: S606 - no shell


def stay_on_the_server(arguments: Sequence[str]) -> None:
    """Raise UsageError where arguments of psql lead it to another server."""
    try:
        options, others = getopt.gnu_getopt(list(arguments), _PSQL_SHORT, _PSQL_LONG)
    except getopt.GetoptError:
        return  # psql says it itself
    databases = [value for name, value in options if name in ("-d", "--dbname")]
    for name, _ in options:
        if name in ("-h", "--host", "-p", "--port"):
            raise UsageError(N_("psql stays on the private server here"), hint=_ELSEWHERE)
    for database in (*databases, *others[:1]):
        if "=" in database or database.startswith(("postgresql://", "postgres://")):
            raise UsageError(N_("psql stays on the private server here"), hint=_ELSEWHERE)


def _require_running(session: Session) -> None:
    if not session.server.status().running:
        raise ServerNotRunning(home=session.home)


def _document(status: ServerStatus) -> dict[str, object]:
    return {f.name: getattr(status, f.name) for f in dataclasses.fields(status)}


def _show(session: Session, status: ServerStatus) -> None:
    state = session.translate(_state(status))
    version = status.version or status.major or UNKNOWN
    session.out.facts(
        (
            (N_("server"), f"PostgreSQL {version}, {state}"),
            (N_("process"), None if status.pid is None else str(status.pid)),
            (N_("port"), None if status.port is None else str(status.port)),
            (N_("socket"), status.socket_dir),
            (N_("data"), status.data),
            (N_("log"), status.log),
        )
    )


def _state(status: ServerStatus) -> str:
    if status.running:
        return N_("running")
    return N_("not started yet") if status.major is None else N_("stopped")


def _show_ways_in(session: Session) -> None:
    _ = session.translate
    dsn = session.server.dsn()
    psql = session.server.tool("psql")
    session.out.line()
    session.out.line(_(N_("Connect:")))
    session.out.line("  agentpg server psql")
    session.out.line(f"  {shlex.quote(str(psql))} {shlex.quote(dsn)}")
    session.out.line(f"  export AGENTPG_DSN={shlex.quote(dsn)}")
