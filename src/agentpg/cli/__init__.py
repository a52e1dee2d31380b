"""The command line: one file per noun, and one place each for errors and for output."""

from __future__ import annotations

import sys


def main() -> None:
    """The console script `agentpg`; exits with the command's code."""
    from agentpg.cli.ending import end_process
    from agentpg.cli.running import run
    from agentpg.cli.streams import let_go_of_errors, open_missing

    open_missing()
    code = run(sys.argv[1:])
    let_go_of_errors()
    sys.exit(end_process(code))
