"""Stops and removes the servers of a test process that died without doing so.

The test process writes the home of each server to our input. The input ends when that
process ends, in whatever way; then all that is still there goes.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    homes = [Path(line.strip()) for line in sys.stdin]
    left = [home for home in homes if home.exists()]
    if left:
        from tests.servers import remove_server

        for home in left:
            remove_server(home)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
