"""How soon an idle worker begins a task."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.draining import start
from benchmarks.figures import percentile
from benchmarks.processes import WorkerProcess
from benchmarks.work import Deadline, Figure, Scene, Stage, Work

_EVERY_SECONDS = 0.05
_WARM_UP = 10
_PATIENCE_SECONDS = 60.0
_PERCENTS = (50, 95, 99)


@dataclass(frozen=True, slots=True)
class Pickup(Work):
    """From just before the submitting call to the start of the handler in the worker."""

    tasks: int

    @property
    def key(self) -> str:
        """Its name for `--only`."""
        return "pickup"

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Percentiles of the latency."""
        return tuple(
            Figure(
                f"pickup-p{percent}",
                f"pick-up by an idle worker, p{percent}",
                "ms",
                "less",
                plotted=percent != 95,
            )
            for percent in _PERCENTS
        )

    def measure(self, scene: Scene) -> dict[str, float]:
        """Submit one task every 50 ms or so to a worker that has nothing else to do."""
        with scene.stage() as stage, ExitStack() as stack:
            (worker,) = start(stage, stack, "--eager", "--starts-from", "0")
            calls = stage.ask(
                "submit-paced",
                "--tasks", str(self.tasks + _WARM_UP),
                "--seconds", str(_EVERY_SECONDS),
            )  # fmt: skip
            self._wait(stage, worker)
            starts = worker.progress.starts
        late = [1000 * (starts[int(c["n"])] - c["called"]) for c in calls[_WARM_UP:]]
        return {f"pickup-p{percent}": percentile(late, percent) for percent in _PERCENTS}

    def _wait(self, stage: Stage, worker: WorkerProcess) -> None:
        deadline = Deadline(_PATIENCE_SECONDS, f"{stage.peer.name} did not begin all tasks")
        while worker.progress.count < self.tasks + _WARM_UP:
            deadline.check()
            worker.check()
            time.sleep(0.01)
