"""A full queue worked off by workers of a peer, and what it took."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.processes import WorkerProcess
from benchmarks.roster import PeerFailed
from benchmarks.work import Deadline, Stage

_PATIENCE_SECONDS = 900.0
_LOOK_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Drained:
    """From the first handler's start to the moment no unfinished row is left.

    `counts` are the tasks begun by one worker, with the times, where there was one.
    """

    tasks: int
    started: float
    ended: float
    worker_cpu_seconds: float
    server_cpu_seconds: float
    commits: int
    counts: Sequence[tuple[float, int]]

    @property
    def rate(self) -> float:
        """Tasks in a second."""
        return self.tasks / (self.ended - self.started)

    def rate_of_last(self, tasks: int) -> float:
        """Tasks in a second, of so many that began last."""
        before = [(at, count) for at, count in self.counts if count <= self.tasks - tasks]
        at, count = before[-1] if before else (self.started, 0)
        return (self.tasks - count) / (self.ended - at)


def drain(stage: Stage, tasks: int, *options: str, workers: int = 1) -> Drained:
    """Work off what was submitted. Raises PeerFailed if some of it did not end well."""
    finished_before = stage.finished()
    before = stage.watch.usage()
    with ExitStack() as stack:
        processes = start(stage, stack, *options, workers=workers)
        ended = _wait(stage, processes, tasks)
        worker_cpu = sum(p.cpu_seconds() - p.progress.cpu_at_first for p in processes)
        server_cpu = stage.watch.cpu_seconds() - before.cpu_seconds
    commits = stage.watch.usage().commits - before.commits
    _prove(stage, finished_before + tasks)
    return Drained(
        tasks=tasks,
        started=min(p.progress.first for p in processes if p.progress.first is not None),
        ended=ended,
        worker_cpu_seconds=worker_cpu,
        server_cpu_seconds=server_cpu,
        commits=commits,
        counts=processes[0].progress.counts if workers == 1 else [],
    )


def start(stage: Stage, stack: ExitStack, *options: str, workers: int = 1) -> list[WorkerProcess]:
    """Start workers and let them go together."""
    processes = [
        stack.enter_context(WorkerProcess(stage.peer, stage.environment, *options))
        for _ in range(workers)
    ]
    for process in processes:
        process.wait_until_ready()
    for process in processes:
        process.go()
    return processes


def _wait(stage: Stage, workers: list[WorkerProcess], tasks: int) -> float:
    """Wait for the end; look at the table only when all handlers have begun.

    The answer holds for the moment in which it was asked: among dead rows it can take long.
    The longer it takes, the more rarely it is asked, so that looking costs the peer little.
    """
    deadline = Deadline(_PATIENCE_SECONDS, f"{stage.peer.name} did not drain its queue")
    while True:
        looked = time.monotonic()
        if sum(w.progress.count for w in workers) >= tasks and not stage.unfinished():
            return looked
        deadline.check()
        for worker in workers:
            worker.check()
        time.sleep(max(_LOOK_SECONDS, 3 * (time.monotonic() - looked)))


def _prove(stage: Stage, wanted: int) -> None:
    """A peer that lost tasks or failed them was not fast."""
    finished = stage.finished()
    if finished < wanted:
        raise PeerFailed(f"{stage.peer.name} ended only {finished} of {wanted} tasks well")
