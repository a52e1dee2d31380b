"""The network of some workers becomes slow."""

from __future__ import annotations

from tests.chaos.stage import Blow, Fault, Stage


def strike(stage: Stage) -> Blow:
    """Every message takes longer, each way."""
    delay = stage.chance.uniform(0.05, 0.4)
    stage.wire.turn(f"slow {delay}")
    seconds = stage.some_seconds(stage.plan.lease, 3 * stage.plan.lease)
    stage.wire.turn("whole")
    return Blow(f"{delay * 1000:.0f} ms each way for {seconds:.1f} s")


SLOW_NETWORK = Fault("slow-network", strike)
