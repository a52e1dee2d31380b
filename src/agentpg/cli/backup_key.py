"""`agentpg backup key`."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from pathlib import Path

import click

from agentpg.cli.command import Command
from agentpg.cli.output import json_option
from agentpg.cli.session import Session
from agentpg.cli.values import ANY_PATH
from agentpg.language import N_


@click.command(
    "key",
    cls=Command,
    examples="""
        agentpg backup key /etc/agentpg/backup.key
        # Only the public key stays on this machine.
        agentpg backup key --json /media/safe/backup.key | jq -r .public_key
    """,
)
@click.argument("file", type=ANY_PATH, help="Where the key goes; nothing may be there yet.")
@json_option
@click.pass_obj
def key(session: Session, file: Path, as_json: bool) -> None:
    """Make a key that backups are sealed for, in a new FILE that only you can read.

    It is an age identity, which the program `age` takes as well. No file is written over, and
    none is made inside the repository. Keep a copy of it in another place: without the key,
    nobody can open what is sealed for it.
    """
    from agentpg.desk.backup.storage.keys import make_key_file

    path = file.expanduser().absolute()
    public = make_key_file(path, session.repository, datetime.now(UTC))
    if as_json:
        session.out.json({"file": str(path), "public_key": public})
        return
    session.out.facts([(N_("file"), path), (N_("public key"), public)])
    session.out.line()
    session.out.line(session.translate(N_("New backups are sealed for it with")))
    session.out.line(f"  export AGENTPG_BACKUP_KEY_FILE={shlex.quote(str(path))}")
    session.out.note(
        session.translate(
            N_("Keep a copy in another place: without it, nobody can open these backups.")
        )
    )
