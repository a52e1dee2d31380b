"""`agentpg security env`: secrets where others could read them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentpg.cli.command import Command
from agentpg.cli.doctor_view import findings_options, report
from agentpg.cli.session import Session
from agentpg.cli.values import FOLDER_THERE
from agentpg.errors import NoDatabase, NotStartedYet

if TYPE_CHECKING:
    from agentpg.db import Database
    from agentpg.desk.finding import Level


@click.command(
    "env",
    cls=Command,
    examples="""
        agentpg security env
        # Another folder than this one.
        agentpg security env --folder /srv/app
        # And all that was ever committed.
        agentpg security env --scan
        # In CI: 0 well, 5 findings, 6 something could not be looked at.
        agentpg security env --json > env.json
    """,
)
@click.option(
    "--folder",
    type=FOLDER_THERE,
    default=Path(),
    metavar="FOLDER",
    help="The folder of .env and the repository; by default the working folder.",
)
@click.option(
    "--scan",
    is_flag=True,
    help="Search all that was ever committed, and look for the passwords in use everywhere.",
)
@findings_options
@click.pass_obj
def verb(
    session: Session, folder: Path, scan: bool, show_all: bool, fail_on: Level, as_json: bool
) -> int:
    """Look for secrets where others could read them.

    .env and its neighbours, password and service files, keys: their modes, their age, and whether
    git tracks them, has ever had them, or would take them. Passwords in lists of processes, in the
    server's log, in connection strings, in units of systemd, in tracked lines, and with --scan in
    every content of a file that git has ever had. It says where a secret stands and never
    what it is, needs no server, and exits as `agentpg doctor` does.
    """
    from agentpg.desk.security.env.findings import find
    from agentpg.desk.security.env.looking import log_folder, look_around

    database = _database(session)
    logs = log_folder(database, session.settings)
    findings = find(look_around(folder.absolute(), session.settings, logs, scan=scan))
    target = "" if database is None else database.target()
    return report(
        session,
        {"security": list(findings)},
        target=target,
        show_all=show_all,
        fail_on=fail_on,
        as_json=as_json,
    )


def _database(session: Session) -> Database | None:
    try:
        return session.looked_at
    except (NoDatabase, NotStartedYet):
        return None
