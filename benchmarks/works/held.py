"""A long drain while somebody's transaction stays open, against without."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import ClassVar

from benchmarks.draining import Drained, drain
from benchmarks.roster import FAST, OURS, Competitor
from benchmarks.work import Figure, Scene, Work

_SMALL_BATCH = 50

# The end of the drain, where the most dead entries lie in the way.
_LAST_SHARE = 8


@dataclass(frozen=True, slots=True)
class Held(Work):
    """A REPEATABLE READ transaction keeps its snapshot from before the drain to its end.

    So no row and no index entry that the drain makes obsolete can be removed. `batch` limits
    how many tasks ours claims at once.
    """

    paired: ClassVar[bool] = False

    tasks: int
    batch: int | None = None

    @property
    def key(self) -> str:
        """Its name for `--only`."""
        return f"held-{self.batch}" if self.batch else "held"

    @property
    def figures(self) -> tuple[Figure, ...]:
        """How much of the rate is left, on the whole and at the end."""
        key = self.key
        batches = f", batches of {self.batch}" if self.batch else ""
        under = f"of {self.tasks:,} under a held snapshot{batches}"
        what, last = f"drain {under}", f"last {self.tasks // _LAST_SHARE:,} {under}"
        return (
            Figure(key, what, "share of the rate without", "more"),
            Figure(f"{key}-last", last, "share of the rate without", "more"),
            Figure(f"{key}-rate", what, "tasks/s", "more", plotted=False),
        )

    def takes_part(self, peer: Competitor) -> bool:
        """The fast ones; with small batches, ours alone."""
        return peer.key == OURS if self.batch else peer.key in FAST

    def measure(self, scene: Scene) -> dict[str, float]:
        """Drain twice; who begins changes each round."""
        held_first = scene.turn % 2 == 1
        drained = {held: self._drain(scene, held) for held in (held_first, not held_first)}
        last = self.tasks // _LAST_SHARE
        return {
            self.key: drained[True].rate / drained[False].rate,
            f"{self.key}-last": drained[True].rate_of_last(last)
            / drained[False].rate_of_last(last),
            f"{self.key}-rate": drained[True].rate,
            f"{self.key}-rate-without": drained[False].rate,
        }

    def _drain(self, scene: Scene, held: bool) -> Drained:
        batch = str(self.batch)
        options = ("--batch", batch, "--concurrency", batch) if self.batch else ()
        with scene.stage() as stage:
            stage.ask("submit-bulk", "--tasks", str(self.tasks))
            stage.settle_down()
            with stage.held_snapshot() if held else nullcontext():
                return drain(stage, self.tasks, *options)


def with_small_batches(tasks: int) -> Held:
    """The same by claims of fifty at most."""
    return Held(tasks, _SMALL_BATCH)
