"""Working off tasks that are there already."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.processes import WorkerProcess
from benchmarks.roster import PeerFailed
from benchmarks.work import Deadline, Figure, Stage

_PATIENCE_SECONDS = 300.0
_LOOK_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Drain:
    """From the first handler's start to the moment no unfinished row is left."""

    tasks: int
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
        speed = Figure(f"{key}", f"drain, {who}", "tasks/s", "more")
        if self.workers > 1:
            return (speed,)
        return (
            speed,
            Figure(f"{key}-worker-cpu", "processor time, worker", "µs/task", "less"),
            Figure(f"{key}-server-cpu", "processor time, server", "µs/task", "less"),
            Figure(f"{key}-cpu", "processor time, both", "µs/task", "less"),
            Figure(f"{key}-commits", "commits", "per task", "less"),
        )

    def measure(self, stage: Stage) -> dict[str, float]:
        """Fill the queue, then drain it."""
        stage.ask("submit-bulk", "--tasks", str(self.tasks))
        stage.settle_down()
        before = stage.watch.usage()
        with ExitStack() as stack:
            workers = self._start(stage, stack)
            seconds = self._wait(stage, workers)
            worker_cpu = sum(w.cpu_seconds() - w.progress.cpu_at_first for w in workers)
            server_cpu = stage.watch.cpu_seconds() - before.cpu_seconds
        commits = stage.watch.usage().commits - before.commits
        self._prove(stage)
        measured = {
            self.key: self.tasks / seconds,
            f"{self.key}-worker-cpu": 1e6 * worker_cpu / self.tasks,
            f"{self.key}-server-cpu": 1e6 * server_cpu / self.tasks,
            f"{self.key}-cpu": 1e6 * (worker_cpu + server_cpu) / self.tasks,
            f"{self.key}-commits": commits / self.tasks,
        }
        return {figure.key: measured[figure.key] for figure in self.figures}

    def _start(self, stage: Stage, stack: ExitStack) -> list[WorkerProcess]:
        environment = stage.server.environment()
        workers = [
            stack.enter_context(WorkerProcess(stage.peer, environment)) for _ in range(self.workers)
        ]
        for worker in workers:
            worker.wait_until_ready()
        for worker in workers:
            worker.go()
        return workers

    def _wait(self, stage: Stage, workers: list[WorkerProcess]) -> float:
        """Wait for the end; look at the table only when all handlers have begun."""
        deadline = Deadline(_PATIENCE_SECONDS, f"{stage.peer.name} did not drain its queue")
        while sum(w.progress.count for w in workers) < self.tasks or stage.unfinished():
            deadline.check()
            for worker in workers:
                worker.check()
            time.sleep(_LOOK_SECONDS)
        ended = time.monotonic()
        return ended - min(w.progress.first for w in workers if w.progress.first is not None)

    def _prove(self, stage: Stage) -> None:
        """A peer that lost tasks or failed them was not fast."""
        finished = stage.finished()
        if finished < self.tasks:
            raise PeerFailed(f"{stage.peer.name} ended only {finished} of {self.tasks} tasks well")
