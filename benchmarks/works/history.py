"""The same drain beside millions of finished tasks, against without."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar

from benchmarks.draining import drain
from benchmarks.roster import FAST, OURS, Competitor
from benchmarks.work import Figure, Scene, Stage, Work

# Of a peer's own history there is less, since it only shows how others do.
_SHARE_OF_PEERS = 0.4


@dataclass(frozen=True, slots=True)
class History(Work):
    """One drain in a fresh database and one in a full one; who begins changes each round.

    The full database is kept from round to round, so what was drained there becomes history.
    """

    paired: ClassVar[bool] = False

    finished: int
    tasks: int
    fewer: int

    @property
    def key(self) -> str:
        """Its name for `--only`."""
        return "history"

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Both rates and their relation."""
        beside = f"beside {self.finished / 1e6:g} million finished tasks"
        return (
            Figure("history", f"drain {beside}", "share of the rate without", "more"),
            Figure("history-rate", f"drain {beside}", "tasks/s", "more", plotted=False),
        )

    def takes_part(self, peer: Competitor) -> bool:
        """Only who keeps a history."""
        return peer.history is not None

    def measure(self, scene: Scene) -> dict[str, float]:
        """Drain twice."""
        tasks = self.tasks if scene.peer.key in FAST else self.fewer
        rates: dict[str, float] = {}
        names = ("without", "with") if scene.turn % 2 == 0 else ("with", "without")
        for name in names:
            with self._stage(scene, name) as stage:
                stage.ask("submit-bulk", "--tasks", str(tasks))
                stage.settle_down()
                rates[name] = drain(stage, tasks).rate
        return {
            "history": rates["with"] / rates["without"],
            "history-rate": rates["with"],
            "history-rate-without": rates["without"],
        }

    def _stage(self, scene: Scene, name: str) -> AbstractContextManager[Stage]:
        if name == "with":
            return scene.lasting_stage("history", self._fill)
        return scene.stage()

    def _fill(self, stage: Stage) -> None:
        share = 1.0 if stage.peer.key == OURS else _SHARE_OF_PEERS
        assert stage.peer.history is not None
        finished = round(self.finished * share)
        stage.watch.run(stage.peer.history.replace("{n}", str(finished)))
