"""A worker is killed by SIGKILL."""

from __future__ import annotations

import time

from tests.chaos.stage import Blow, Fault, Stage


def strike(stage: Stage) -> Blow:
    """Kill one, and start another in its place."""
    route = stage.chance.choice(stage.crew.routes)
    dead = frozenset(stage.crew.ids(route))
    died_at = time.monotonic()
    stage.crew.kill(route)
    return Blow(f"SIGKILL of the worker {route}", dead, died_at)


KILLED_WORKER = Fault("killed-worker", strike)
