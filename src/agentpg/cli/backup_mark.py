"""`agentpg backup mark`."""

from __future__ import annotations

import click

from agentpg.cli.command import Command
from agentpg.cli.output import json_option
from agentpg.cli.session import Session
from agentpg.cli.values import GIVEN
from agentpg.language import N_


@click.command(
    "mark",
    cls=Command,
    examples="""
        # Before something that may go wrong.
        agentpg backup mark before-import
        agentpg backup restore --to-name before-import
    """,
)
@click.argument("name", type=GIVEN, help="What the moment is called.")
@json_option
@click.pass_obj
def mark(session: Session, name: str, as_json: bool) -> None:
    """Give this moment a name, to which the cluster can be recovered.

    It is a restore point of PostgreSQL: recovery to it needs a base backup from before, and WAL
    that is archived. A name is given once.
    """
    from agentpg.db import connect, driver_errors
    from agentpg.desk.backup.recovery.marks import make_mark

    database = session.cluster_database
    with connect(database, "agentpg backup") as connection, driver_errors(database.target()):
        made = make_mark(connection, session.repository, name)
    if as_json:
        session.out.json(made)
        return
    facts = ((N_("mark"), made.name), (N_("moment"), made.made_at), (N_("position"), made.lsn))
    session.out.facts(facts)
