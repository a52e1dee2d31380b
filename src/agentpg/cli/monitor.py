"""`agentpg monitor`: what the server and the agents do now, and how much room they take."""

from __future__ import annotations

import click

from agentpg.cli.command import Group
from agentpg.cli.monitor_activity import activity
from agentpg.cli.monitor_changes import changes
from agentpg.cli.monitor_metrics import metrics
from agentpg.cli.monitor_sizes import sizes
from agentpg.cli.monitor_top import top


@click.group(
    "monitor",
    cls=Group,
    examples="""
        # A live screen; q ends it.
        agentpg monitor top
        agentpg monitor activity
        agentpg monitor sizes
        # For Prometheus.
        agentpg monitor metrics --listen 127.0.0.1:9187
    """,
)
def monitor() -> None:
    """Look at the server and the agents while they work.

    Reads as the role of AGENTPG_DSN_MONITOR where that is set. A role sees all of other roles'
    sessions if it is a member of pg_monitor: GRANT pg_monitor TO it.
    """


for command in (top, activity, sizes, changes, metrics):
    monitor.add_command(command)
