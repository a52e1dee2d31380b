"""The connections of some workers break, and cannot be made anew."""

from __future__ import annotations

from tests.chaos.stage import Blow, Fault, Stage


def strike(stage: Stage) -> Blow:
    """Cut the wire, for less or more than a lease."""
    stage.wire.turn("cut")
    seconds = stage.some_seconds(1, 2 * stage.plan.lease)
    stage.wire.turn("whole")
    return Blow(f"connections cut and refused for {seconds:.1f} s")


CUT_NETWORK = Fault("cut-network", strike)
