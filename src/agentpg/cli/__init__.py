"""The command line: one file per noun, and one place each for errors and for output."""

from __future__ import annotations

import sys


def main() -> None:
    """The console script `agentpg`; exits with the command's code."""
    from agentpg.cli.ending import end_process
    from agentpg.cli.running import run
    from agentpg.cli.streams import open_missing

    open_missing()
    sys.exit(end_process(run(sys.argv[1:])))
