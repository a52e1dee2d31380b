"""What a work is: something a peer does, and the figures that come of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal, Protocol

from benchmarks.roster import Competitor
from benchmarks.server import BenchServer, Watch

Better = Literal["more", "less"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that a work yields: its key in the JSON, its title, unit, and which way is good."""

    key: str
    title: str
    unit: str
    better: Better


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done: tasks in bulk and drain, tasks one per call, tasks to an idle worker."""

    tasks: int
    singles: int
    pickups: int


@dataclass(frozen=True, slots=True)
class Stage:
    """A fresh database with a peer's schema, ready for one measurement."""

    peer: Competitor
    server: BenchServer
    watch: Watch

    def ask(self, *arguments: str) -> list[dict[str, float]]:
        """Run a command of the peer's program to its end."""
        return self.peer.ask(self.server.environment(), *arguments)

    def settle_down(self) -> None:
        """Leave no work of the preparation to be done during the measurement."""
        self.watch.run("VACUUM ANALYZE")
        self.watch.run("CHECKPOINT")

    def unfinished(self) -> bool:
        """Whether a task is left that has not ended."""
        return bool(self.watch.ask(self.peer.unfinished))

    def finished(self) -> int:
        """How many tasks ended well."""
        count = self.watch.ask(self.peer.finished)
        assert isinstance(count, int)
        return count


class Work(Protocol):
    """One kind of work."""

    @property
    def key(self) -> str:
        """Its name for `--only`."""

    @property
    def figures(self) -> tuple[Figure, ...]:
        """What it yields."""

    def measure(self, stage: Stage) -> dict[str, float]:
        """Do it once; a value for each figure, by key."""


class Deadline:
    """A limit to waiting; no measurement may hang."""

    def __init__(self, seconds: float, what: str) -> None:
        self._end = time.monotonic() + seconds
        self._what = what

    def check(self) -> None:
        """Raise TimeoutError when the time is over."""
        if time.monotonic() > self._end:
            raise TimeoutError(self._what)
