"""The process that takes a change of pg_hba.conf back unless it is confirmed in time.

It is started before anything is changed, says `ready`, and then needs nobody: no terminal, no
connection, and not the command that started it. It counts by the machine's own time since its
start, which nobody sets.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, cast

from agentpg.desk.security.addresses.pending import Kept, machine_seconds
from agentpg.errors import AgentpgError, FileNotWritten
from agentpg.language import N_

_NOT_STARTED = N_("the process that would undo a change does not start")

_LOOK_SECONDS = 0.1
_READY = b"ready\n"

# A disk that is full for a while must not keep the door shut for good.
_AGAIN_SECONDS = 1.0


def watch(kept: Kept, name: str, until: float) -> int:
    """Start it for the change of this name, and wait until it watches; its process id.

    Raises FileNotWritten.
    """
    command = [sys.executable, "-m", __name__, str(kept.folder), name, str(until)]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
    except OSError as error:
        raise FileNotWritten(error.strerror or str(error), path=kept.folder) from None
    with cast(IO[bytes], process.stdout) as said:
        if said.readline() != _READY:
            raise FileNotWritten(_NOT_STARTED, path=kept.folder)
    # It outlives this process, which is not to wait for it.
    process.returncode = 0
    return process.pid


def main(folder: str, name: str, until: str) -> None:
    """Wait, and take it back, however often that has to be tried."""
    kept = Kept(Path(folder))
    os.write(1, _READY)
    os.close(1)
    while machine_seconds() < float(until):
        if not kept.waits(name):
            return
        time.sleep(_LOOK_SECONDS)
    while kept.waits(name):
        try:
            kept.take_back(name)
        except (OSError, AgentpgError):
            time.sleep(_AGAIN_SECONDS)


if __name__ == "__main__":
    main(*sys.argv[1:])
