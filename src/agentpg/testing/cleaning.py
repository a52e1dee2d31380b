"""Stops and removes a private server when the process that tests has ended, however it did.

    python -m agentpg.testing.cleaning HOME PG_BIN

Standard input is a pipe whose other end the testing process has.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import sys
from pathlib import Path

from agentpg.embedded import EmbeddedServer
from agentpg.errors import AgentpgError


def main() -> None:
    """Wait for the end of the testing process, and clean up."""
    # A Ctrl-C is for the testing process; its end is the sign.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.read()
    home = Path(sys.argv[1])
    with contextlib.suppress(AgentpgError):
        EmbeddedServer(home, sys.argv[2]).stop("immediate")
    shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
