"""Something in between takes what some workers say, and gives no answer."""

from __future__ import annotations

from tests.chaos.stage import Blow, Fault, Stage


def strike(stage: Stage) -> Blow:
    """Swallow all bytes for longer than a lease, then break what was connected."""
    stage.wire.turn("silent")
    seconds = stage.some_seconds(1.5 * stage.plan.lease, 3 * stage.plan.lease)
    stage.wire.turn("whole")
    return Blow(f"half-open for {seconds:.1f} s")


SILENT_NETWORK = Fault("silent-network", strike)
