"""PostgreSQL is stopped in each of its modes, stays away, and is started again."""

from __future__ import annotations

import signal
from functools import partial

from agentpg.embedded.postmaster import StopMode, send_signal
from tests.chaos.stage import Blow, Fault, Stage


def strike(mode: StopMode, stage: Stage) -> Blow:
    """Stop it, and start it after up to six seconds."""
    if mode == "smart":
        # It waits for all sessions to end, which ours never do: the operator loses patience.
        _say_smart(stage)
        stage.some_seconds(1, 3)
    stage.ground.server.stop("fast" if mode == "smart" else mode)
    seconds = stage.some_seconds(0, 6)
    stage.ground.server.start()
    return Blow(f"stopped ({mode}), away for {seconds:.1f} s")


def _say_smart(stage: Stage) -> None:
    pid = stage.ground.server.status().pid
    assert pid is not None
    send_signal(pid, signal.SIGTERM)


RESTARTED_SERVER = (
    Fault("server-smart", partial(strike, "smart")),
    Fault("server-fast", partial(strike, "fast")),
    Fault("server-immediate", partial(strike, "immediate")),
)
