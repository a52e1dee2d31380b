"""`agentpg backup`: making backups, proving them, restoring them, removing old ones."""

from __future__ import annotations

import click

from agentpg.cli.backup_archive import archive
from agentpg.cli.backup_create import create
from agentpg.cli.backup_drill import drill
from agentpg.cli.backup_key import key
from agentpg.cli.backup_mark import mark
from agentpg.cli.backup_prune import prune
from agentpg.cli.backup_recover import recover
from agentpg.cli.backup_restore import restore
from agentpg.cli.backup_verify import verify
from agentpg.cli.backup_view import list_, show
from agentpg.cli.command import Group


@click.group(
    "backup",
    cls=Group,
    examples="""
        agentpg backup create
        agentpg backup list
        agentpg backup verify
    """,
)
def backup() -> None:
    """Make backups, prove them, restore them, remove old ones.

    Where they lie is said by the setting AGENTPG_BACKUP_REPOSITORY, and the role that makes
    them by AGENTPG_DSN_BACKUP.
    """


for command in (create, list_, show, verify, drill, restore, prune, key, mark, archive, recover):
    backup.add_command(command)
