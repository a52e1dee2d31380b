"""Working off tasks that are there already."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.draining import drain
from benchmarks.work import Figure, Scene, Work


@dataclass(frozen=True, slots=True)
class Drain(Work):
    """From the first handler's start to the moment no unfinished row is left."""

    tasks: int
    fewer: int
    workers: int

    @property
    def key(self) -> str:
        """Its name for `--only`."""
        return f"drain-{self.workers}"

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Tasks in a second, and what each costs."""
        key = self.key
        who = "one worker" if self.workers == 1 else f"{self.workers} workers"
        speed = Figure(key, f"drain, {who}", "tasks/s", "more")
        if self.workers > 1:
            return (speed,)
        return (
            speed,
            Figure(
                f"{key}-worker-cpu",
                "processor time of a drain, worker",
                "µs/task",
                "less",
                plotted=False,
            ),
            Figure(
                f"{key}-server-cpu",
                "processor time of a drain, server",
                "µs/task",
                "less",
                plotted=False,
            ),
            Figure(f"{key}-cpu", "processor time of a drain, worker and server", "µs/task", "less"),
            Figure(f"{key}-commits", "commits of a drain", "per task", "less"),
        )

    def measure(self, scene: Scene) -> dict[str, float]:
        """Fill the queue, then drain it."""
        tasks = self.tasks if scene.full_size else self.fewer
        with scene.stage() as stage:
            stage.ask("submit-bulk", "--tasks", str(tasks))
            stage.settle_down()
            drained = drain(stage, tasks, workers=self.workers)
        worker_us = 1e6 * drained.worker_cpu_seconds / tasks
        server_us = 1e6 * drained.server_cpu_seconds / tasks
        measured = {
            self.key: drained.rate,
            f"{self.key}-worker-cpu": worker_us,
            f"{self.key}-server-cpu": server_us,
            f"{self.key}-cpu": worker_us + server_us,
            f"{self.key}-commits": drained.commits / tasks,
        }
        return {figure.key: measured[figure.key] for figure in self.figures}
