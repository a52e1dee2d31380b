"""What is known of the engine's work: looked at here, judged in `findings.py`.

What could not be looked at is Unlooked, with the reason: nobody takes it for good news. Times are
in seconds by the database's clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from agentpg.desk.check import Unlooked


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Tasks of one handler that could run now; `workers` that beat have it.

    `paused_seconds` None: the agent is not paused. `limited`: a limit may make them wait.
    """

    agent: str
    type: str
    tasks: int
    oldest_seconds: float
    workers: int
    paused_seconds: float | None
    limited: bool

    @property
    def name(self) -> str:
        """The handler: agent/type."""
        return f"{self.agent}/{self.type}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """A worker that is no more, or silent, with tasks that run on it; its place is None where it
    was forgotten."""

    worker: UUID
    host: str | None
    process: int | None
    tasks: int
    agents: Sequence[str]
    example: UUID
    silent_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A worker that died, and the executions that were lost with it."""

    host: str
    process: int
    ago_seconds: float
    executions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """How the executions of a handler ended in the last hour; the newest error and its task."""

    agent: str
    type: str
    ended: int
    failed: int
    error: str | None
    example: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """Tasks of a handler that were set aside, the newest as an example."""

    agent: str
    type: str
    tasks: int
    example: UUID
    error: str | None


@dataclass(frozen=True, slots=True)
class Unfitting:
    """Rows that do not fit each other: of which kind, how many, and a task of them."""

    kind: str
    found: int
    example: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Tasks that are held for one reason."""

    reason: str
    tasks: int
    agents: Sequence[str]
    oldest_seconds: float
    example: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Tasks of a handler in the state waiting."""

    agent: str
    type: str
    tasks: int
    oldest_seconds: float
    example: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A schedule that needs a look; None for what does not hold of it."""

    name: str
    problem: str | None
    paused_seconds: float | None
    late_seconds: float | None
    failed: bool | None
    last_task_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A release of which workers beat, with the place of one."""

    version: str
    workers: int
    host: str
    process: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """The calls of an agent to a model in a time; `hours` is what the calls that were read span."""

    agent: str
    model: str
    calls: int
    failed: int
    cost_usd: float
    hours: float
    error: str | None

    @property
    def key(self) -> tuple[str, str]:
        """The agent and the model."""
        return self.agent, self.model

    @property
    def failing(self) -> float:
        """The share of them that failed."""
        return self.failed / self.calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """Which version the schema has, 0 for none; which one this release is made for, and the
    oldest one whose code the newest migration lets work."""

    name: str
    found: int
    wanted: int
    works_with: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """A part that the schema has: its kind and name, a trigger's table, and whether the trigger is
    switched off; an unlogged table is empty after a crash."""

    kind: str
    name: str
    table: str
    off: bool
    unlogged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that was looked at; `release` is this program's own."""

    release: str
    schema: Schema | Unlooked
    alive: int | Unlooked
    ready: Sequence[Ready] | Unlooked
    gone: Sequence[Gone] | Unlooked
    lost: Sequence[Lost] | Unlooked
    failing: Sequence[Failing] | Unlooked
    quarantined: Sequence[Quarantined] | Unlooked
    unfitting: Sequence[Unfitting] | Unlooked
    held: Sequence[Held] | Unlooked
    waiting: Sequence[Waiting] | Unlooked
    schedules: Sequence[Schedule] | Unlooked
    versions: Sequence[Version] | Unlooked
    calls: Sequence[Calls] | Unlooked
    calls_before: Sequence[Calls] | Unlooked
    present: Sequence[Present] | Unlooked
