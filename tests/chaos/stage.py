"""Everything that a fault can lay hands on."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from tests.chaos.crew import Clock, Crew
from tests.chaos.ground import Ground
from tests.chaos.plan import Plan
from tests.chaos.wire import Wire
from tests.pgbouncer import PgBouncer


@dataclass(frozen=True, slots=True)
class Stage:
    """The run's server, network, pooler, clock and workers."""

    plan: Plan
    ground: Ground
    wire: Wire
    pooler: PgBouncer | None
    clock: Clock
    crew: Crew
    chance: random.Random

    def some_seconds(self, least: float, most: float) -> float:
        """Let a time by chance pass; how long it was."""
        seconds = self.chance.uniform(least, most)
        time.sleep(seconds)
        return seconds


@dataclass(frozen=True, slots=True)
class Blow:
    """What a fault did. `dead` are the workers that it ended or silenced, from `died_at` on
    the monotonic clock."""

    what: str
    dead: frozenset[UUID] = field(default_factory=frozenset)
    died_at: float | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault. `strike` does it and undoes it; `missing` says why it cannot be
    done here, or nothing."""

    name: str
    strike: Callable[[Stage], Blow]
    missing: Callable[[Stage], str] = lambda _: ""
