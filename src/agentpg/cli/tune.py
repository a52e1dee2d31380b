"""`agentpg tune`: changes that keep a database fast and small."""

from __future__ import annotations

import click

from agentpg.cli.command import Group
from agentpg.cli.tune_explain import explain
from agentpg.cli.tune_indexes import indexes
from agentpg.cli.tune_settings import settings
from agentpg.cli.tune_vacuum import vacuum


@click.group(
    "tune",
    cls=Group,
    examples="""
        agentpg tune explain --file slow.sql
        agentpg tune indexes --try
        agentpg tune vacuum tasks
        agentpg tune vacuum --full tasks
        agentpg tune settings
    """,
)
def tune() -> None:
    """Keep the database fast and small; each change is shown before it is made."""


for command in (explain, indexes, vacuum, settings):
    tune.add_command(command)
