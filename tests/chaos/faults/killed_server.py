"""PostgreSQL's first process is killed by SIGKILL."""

from __future__ import annotations

import signal

from agentpg.embedded.postmaster import send_signal
from tests.chaos.stage import Blow, Fault, Stage
from tests.waiting import eventually


def strike(stage: Stage) -> Blow:
    """Kill it, and start it after up to four seconds."""
    pid = stage.ground.server.status().pid
    assert pid is not None
    send_signal(pid, signal.SIGKILL)
    eventually(lambda: not stage.ground.server.status().running)
    seconds = stage.some_seconds(0, 4)
    stage.ground.server.start()
    return Blow(f"SIGKILL of the postmaster, away for {seconds:.1f} s")


KILLED_SERVER = Fault("killed-server", strike)
