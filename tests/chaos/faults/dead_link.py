"""Packets vanish between some workers and the server, and neither side is told."""

from __future__ import annotations

from tests.chaos.stage import Blow, Fault, Stage


def strike(stage: Stage) -> Blow:
    """Take the link down, sometimes for longer than TCP is told to wait (20 s)."""
    stage.wire.namespace.pull_out()
    seconds = stage.some_seconds(1, 25 if stage.chance.random() < 0.3 else 10)
    stage.wire.namespace.plug_in()
    return Blow(f"no packet for {seconds:.1f} s")


def missing(stage: Stage) -> str:
    """Only root can make a link of its own."""
    return "" if stage.wire.namespace.made else "no network namespace can be made here"


DEAD_LINK = Fault("dead-link", strike, missing)
