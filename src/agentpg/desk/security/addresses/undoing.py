"""The process that takes a change of pg_hba.conf back unless it is confirmed in time.

It is started before anything is changed, says `ready`, and then needs nobody: no terminal, no
connection, and not the command that started it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, cast

from agentpg.desk.security.addresses.pending import Kept
from agentpg.errors import FileNotWritten
from agentpg.language import N_

_NOT_STARTED = N_("the process that would undo a change does not start")

_LOOK_SECONDS = 0.1
_READY = b"ready\n"

# A disk that is full for a moment must not keep the door shut for good.
_TRIES = 600
_AGAIN_SECONDS = 1.0


def watch(kept: Kept, seconds: float) -> int:
    """Start it, and wait until it watches; its process id. Raises FileNotWritten."""
    command = [sys.executable, "-m", __name__, str(kept.folder), str(seconds)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
    with cast(IO[bytes], process.stdout) as said:
        if said.readline() != _READY:
            raise FileNotWritten(_NOT_STARTED, path=kept.folder)
    # It outlives this process, which is not to wait for it.
    process.returncode = 0
    return process.pid


def main(folder: str, seconds: str) -> None:
    """Wait, and take it back."""
    kept = Kept(Path(folder))
    deadline = time.monotonic() + float(seconds)
    os.write(1, _READY)
    os.close(1)
    while time.monotonic() < deadline:
        if kept.read() is None:
            return
        time.sleep(_LOOK_SECONDS)
    for _ in range(_TRIES):
        try:
            kept.take_back()
        except (OSError, FileNotWritten):
            time.sleep(_AGAIN_SECONDS)
        else:
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
