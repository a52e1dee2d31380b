"""What verbs of `agentpg monitor` share."""

from __future__ import annotations

import click

sql_option = click.option(
    "--sql", "as_sql", is_flag=True, help="Print the operations guide's SQL for it instead."
)
