"""The clock of one worker jumps, forth and back."""

from __future__ import annotations

from tests.chaos.stage import Blow, Fault, Stage

_JUMPS = ("+2d", "-2d", "+90s", "-90s", "+400d")


def strike(stage: Stage) -> Blow:
    """Set it off, for longer than a lease."""
    to = stage.chance.choice(_JUMPS)
    stage.clock.jump(to)
    seconds = stage.some_seconds(stage.plan.lease, 2 * stage.plan.lease)
    stage.clock.jump("+0")
    return Blow(f"clock off by {to} for {seconds:.1f} s")


def missing(stage: Stage) -> str:
    """It takes libfaketime."""
    return "" if stage.clock.there else "faketime is not installed"


JUMPING_CLOCK = Fault("jumping-clock", strike, missing)
