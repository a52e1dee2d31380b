"""Many tasks that wait, at a high concurrency: whether the slots stay full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmarks.draining import drain
from benchmarks.roster import FAST, Competitor
from benchmarks.work import Figure, Scene, Work

_SECONDS = 0.1
_CONCURRENCY = 500


@dataclass(frozen=True, slots=True)
class Sleepers(Work):
    """One worker; the ideal is that every slot takes up a task as soon as it has ended one."""

    paired: ClassVar[bool] = False

    tasks: int

    @property
    def key(self) -> str:
        """Its name for `--only`."""
        return "sleepers"

    @property
    def figures(self) -> tuple[Figure, ...]:
        """How much of the ideal rate is reached."""
        title = f"{self.tasks:,} tasks of {_SECONDS * 1000:.0f} ms, concurrency {_CONCURRENCY}"
        return (Figure("sleepers", title, "share of the ideal rate", "more"),)

    def takes_part(self, peer: Competitor) -> bool:
        """Those that do more than the ideal rate when the tasks take no time."""
        return peer.key in {*FAST, "chancy"}

    def measure(self, scene: Scene) -> dict[str, float]:
        """Drain them."""
        with scene.stage() as stage:
            stage.ask("submit-bulk", "--tasks", str(self.tasks))
            stage.settle_down()
            drained = drain(
                stage, self.tasks,
                "--handler-seconds", str(_SECONDS), "--concurrency", str(_CONCURRENCY),
            )  # fmt: skip
        return {"sleepers": drained.rate * _SECONDS / _CONCURRENCY}
