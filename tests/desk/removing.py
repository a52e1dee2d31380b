"""A removal with an archive as a process of its own, to be killed.

    python -m tests.desk.removing DSN FOLDER

It says "removed" after each batch.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

from agentpg.db import Database
from agentpg.desk.removal import Batch, RemovalOptions, remove_history
from agentpg.desk.retention import Policy


def say(_: Batch) -> None:
    """Tell the test that a batch is gone."""
    sys.stdout.write("removed\n")
    sys.stdout.flush()


if __name__ == "__main__":
    options = RemovalOptions(policy=Policy(completed=timedelta(days=30)), archive=Path(sys.argv[2]))
    remove_history(Database(sys.argv[1], "agentic_ai"), options, tell=say)
