"""The engine's values: what a task, an execution and an LLM request are.

All are frozen: they are what the database said at one moment. Those that are made by the
thousand are named tuples, which are made in a third of a dataclass's time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID


class TaskStatus(StrEnum):
    """The states of a task."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing more happens to a task in this state by itself."""
        return self in (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED)


class Outcome(StrEnum):
    """How an execution ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    LOST = "lost"
    RELEASED = "released"


class NewTask(NamedTuple):
    """What is asked, before it is submitted.

    `payload` is anything with a JSON form. A task is not claimed before `run_at`, or before
    `delay` has passed on the database's clock. `priority` is 0 to 1000, the smaller runs
    first. `max_attempts` is how many failed attempts end the task; None leaves it to the
    handler, whose default is 3. `on_crash` is "retry", or "fail" for work that must not run
    twice. The same `idempotency_key` for the same agent and type submits only once.
    """

    agent_name: str
    task_type: str
    payload: Any = None
    priority: int = 100
    run_at: datetime | None = None
    delay: timedelta | None = None
    idempotency_key: str | None = None
    max_attempts: int | None = None
    on_crash: str = "retry"
    tenant: str | None = None
    parent_id: UUID | None = None
    id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task as the database has it. Columns are explained in `sql/schema.sql`.

    A payload or result that Python cannot read, such as one that another program nested too
    deeply, is an `Unreadable`, which says why.
    """

    id: UUID
    agent_name: str | None
    task_type: str | None
    status: str | None
    created_at: datetime | None
    payload: Any
    result: Any
    error_message: str | None
    priority: int
    run_at: datetime
    attempt: int
    errors: int
    crashes: int
    max_attempts: int | None
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None
    worker: UUID | None
    idempotency_key: str | None
    tenant: str | None
    parent_id: UUID | None
    submitted_by: str | None
    held_reason: str | None
    suspect: bool
    adopted: bool

    @property
    def finished(self) -> bool:
        """Whether the task is in a final state."""
        return self.status in ("completed", "failed", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One try of a task; `outcome` is None while it runs."""

    task_id: UUID
    attempt: int
    agent_name: str | None
    task_type: str | None
    worker: UUID | None
    execution_start: datetime | None
    execution_end: datetime | None
    duration_seconds: float | None
    outcome: str | None
    error_message: str | None
    llm_calls: int
    llm_total_tokens: int
    llm_unknown_calls: int
    llm_unpriced_calls: int
    cost_usd: Decimal | None
    progress: float | None
    progress_text: str | None
    progress_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvent:
    """A log line that is kept with its task; `number` counts those of its attempt.

    `level` is "debug", "info", "warning" or "error".
    """

    task_id: UUID
    attempt: int
    number: int
    at: datetime
    level: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an attempt says it is; `fraction` is 0 to 1."""

    attempt: int
    fraction: float | None
    text: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmRequest:
    """One call to a language model; tokens and cost are None while unknown."""

    id: UUID
    task_id: UUID
    attempt: int
    provider: str | None
    model: str | None
    response_model: str | None
    status: str
    started_at: datetime
    ended_at: datetime | None
    duration_seconds: float | None
    input_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: Decimal | None
    cost_source: str
    finish_reason: str | None
    error_message: str | None


class Claimed(NamedTuple):
    """A task in a worker's hands: what its handler and the decision about it need."""

    id: UUID
    agent_name: str
    task_type: str
    attempt: int
    payload: Any
    errors: int
    crashes: int
    losses: int
    max_attempts: int | None
    on_crash: str
    suspect: bool
    tenant: str | None
    parent_id: UUID | None


class Verdict(NamedTuple):
    """What came of one attempt, before anything is written.

    `result` is JSON text. A `permanent` failure is not tried again.
    """

    outcome: Outcome
    result: str | None = None
    error: str | None = None
    seconds: float | None = None
    permanent: bool = False


class Settlement(NamedTuple):
    """What is to be written about one attempt: where the task goes and how it ended.

    `error` is why the task is where it is, `attempt_error` why this attempt ended so.
    `errors` and `crashes` are added to the task's; None for `max_attempts` or `suspect`
    leaves what the task has.
    """

    id: UUID
    attempt: int
    status: TaskStatus
    outcome: Outcome
    result: str | None
    error: str | None
    attempt_error: str | None
    seconds: float | None
    delay_seconds: float
    errors: int
    crashes: int
    max_attempts: int | None
    suspect: bool | None
