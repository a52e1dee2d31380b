"""A worker is stopped for longer than its lease, and goes on."""

from __future__ import annotations

import signal
import time

from tests.chaos.stage import Blow, Fault, Stage


def strike(stage: Stage) -> Blow:
    """Stop one by SIGSTOP, and have it go on after up to three leases."""
    route = stage.chance.choice(stage.crew.routes)
    dead = frozenset(stage.crew.ids(route))
    stopped_at = time.monotonic()
    stage.crew.signal(route, signal.SIGSTOP)
    seconds = stage.some_seconds(2 * stage.plan.lease, 3 * stage.plan.lease)
    stage.crew.signal(route, signal.SIGCONT)
    return Blow(f"SIGSTOP of the worker {route} for {seconds:.1f} s", dead, stopped_at)


STOPPED_WORKER = Fault("stopped-worker", strike)
