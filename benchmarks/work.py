"""What a work is: something a peer does, and the figures that come of it."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Literal

from benchmarks.roster import Competitor
from benchmarks.server import BenchServer, Watch

Better = Literal["more", "less"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that a work yields: its key in the JSON, its title, unit, and which way is good.

    What only explains another figure is in the table and not plotted.
    """

    key: str
    title: str
    unit: str
    better: Better
    plotted: bool = True

    @property
    def full_title(self) -> str:
        """The title with the unit."""
        return f"{self.title}, {self.unit}" if self.unit else self.title


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done, in tasks unless it says otherwise.

    `tasks` in bulk, drain and beside history, by the fast peers; `fewer` by the others. `singles`
    one per call. `pickups` to an idle worker. `history` finished ones of ours, and less than
    half of it of each peer's. `held` drained under a snapshot. `late_backlog` drained while others
    come in late, behind `dead` dead entries. `sleepers` that take 100 ms. `idle_seconds`.
    """

    tasks: int
    fewer: int
    singles: int
    pickups: int
    history: int
    held: int
    late_backlog: int
    dead: int
    sleepers: int
    idle_seconds: float


@dataclass(frozen=True, slots=True)
class Stage:
    """A database with a peer's schema, ready for a measurement."""

    peer: Competitor
    server: BenchServer
    watch: Watch

    @property
    def environment(self) -> dict[str, str]:
        """The database in libpq's variables."""
        return self.server.environment(self.watch.database)

    def ask(self, *arguments: str) -> list[dict[str, float]]:
        """Run a command of the peer's program to its end."""
        return self.peer.ask(self.environment, *arguments)

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

    @contextmanager
    def held_snapshot(self) -> Iterator[None]:
        """Somebody's transaction that reads once and stays open."""
        with self.server.session(self.watch.database) as reader:
            reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            reader.execute("SELECT count(*) FROM pg_class")
            yield


@dataclass(frozen=True, slots=True)
class Scene:
    """One measurement: who is measured, how often it was its turn before, and at which size."""

    peer: Competitor
    server: BenchServer
    turn: int = 0
    full_size: bool = True

    @contextmanager
    def stage(self) -> Iterator[Stage]:
        """A fresh database with the peer's schema."""
        with self.server.fresh_database() as watch:
            stage = Stage(self.peer, self.server, watch)
            stage.ask("install")
            yield stage

    @contextmanager
    def lasting_stage(self, purpose: str, prepare: Callable[[Stage], None]) -> Iterator[Stage]:
        """A database of the peer's that is prepared once and then kept, since that is slow."""
        name = f"bench_{purpose}_{self.peer.key}"
        new = name not in self.server.prepared
        if new:
            self.server.create_database(name)
        with self.server.watch(name) as watch:
            stage = Stage(self.peer, self.server, watch)
            if new:
                stage.ask("install")
                prepare(stage)
                self.server.prepared.add(name)
            yield stage


class Work(ABC):
    """One kind of work.

    A paired one is done by ours and each rival in turns. One that is not compares a peer with
    itself, or is ours alone: each peer does it once a round, rivals in `rival_rounds` only.
    """

    __slots__ = ()

    paired: ClassVar[bool] = True
    rival_rounds: ClassVar[int | None] = None

    @property
    @abstractmethod
    def key(self) -> str:
        """Its name for `--only`."""

    @property
    @abstractmethod
    def figures(self) -> tuple[Figure, ...]:
        """What it yields."""

    @abstractmethod
    def measure(self, scene: Scene) -> dict[str, float]:
        """Do it once; a value for each figure, by key."""

    def takes_part(self, peer: Competitor) -> bool:  # noqa: ARG002 - for those that ask
        """Whether a peer can do it."""
        return True


class Deadline:
    """A limit to waiting; no measurement may hang."""

    def __init__(self, seconds: float, what: str) -> None:
        self._end = time.monotonic() + seconds
        self._what = what

    def check(self) -> None:
        """Raise TimeoutError when the time is over."""
        if time.monotonic() > self._end:
            raise TimeoutError(self._what)
