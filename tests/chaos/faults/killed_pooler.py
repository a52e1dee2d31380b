"""The pooler ends, stays away, and is started again."""

from __future__ import annotations

from tests.chaos.stage import Blow, Fault, Stage


def strike(stage: Stage) -> Blow:
    """End it with all connections through it."""
    assert stage.pooler is not None
    stage.pooler.stop()
    seconds = stage.some_seconds(0, 2 * stage.plan.lease)
    stage.pooler.start()
    return Blow(f"PgBouncer away for {seconds:.1f} s")


def missing(stage: Stage) -> str:
    """It takes PgBouncer."""
    return "" if stage.pooler else "PgBouncer is not installed"


KILLED_POOLER = Fault("killed-pooler", strike, missing)
