"""Counting executions and calls as they end, without ever counting the history.

No index has the end of an execution, so that ending one stays cheap. So each look takes the
executions that have begun since the last one, and those that were open then: each is counted
once, when it has ended. What began before the tally is not counted, unless it says so.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Generic, TypeVar
from uuid import UUID

from agentpg.db import Statements
from agentpg.desk.monitor.reading import Reader

OTHER = "other"

# From a tenth of a second to four hours.
BOUNDS = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0)

# A claim is one short statement; after so long it is committed and can be seen.
_BEHIND_SECONDS = 3.0

_MOST_AGENTS = 20
_MOST_MODELS = 30


class Names:
    """The names that came first; all after so many are `other`, so that labels stay few."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._known: set[str] = set()

    def __call__(self, name: str | None) -> str:
        """The name, or `other`."""
        if name is None:
            return OTHER
        if name not in self._known and len(self._known) < self.most:
            self._known.add(name)
        return name if name in self._known else OTHER


@dataclass(slots=True)
class Histogram:
    """How many times were within each of the BOUNDS, or above all, and their sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0

    def add(self, bucket: int, number: int, seconds: float) -> None:
        """`bucket` is the number of bounds that are at or above the times."""
        self.counts[len(BOUNDS) - bucket] += number
        self.seconds += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        """As Prometheus has it: bound, and how many were at most that."""
        total, found = 0, []
        for bound, count in zip([*map(str, BOUNDS), "+Inf"], self.counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found


@dataclass(slots=True)
class Calls:
    """The calls of an agent to a model: tokens by kind, the known cost, and the unpriced ones."""

    tokens: Counter[str] = field(default_factory=Counter)
    cost_usd: Decimal = Decimal()
    unpriced: int = 0


@dataclass(slots=True)
class Counts:
    """What has been counted, by agent and outcome, or by agent, model and status."""

    executions: Counter[tuple[str, str]] = field(default_factory=Counter)
    runs: defaultdict[str, Histogram] = field(default_factory=lambda: defaultdict(Histogram))
    waits: defaultdict[str, Histogram] = field(default_factory=lambda: defaultdict(Histogram))
    calls: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    spent: defaultdict[tuple[str, str], Calls] = field(default_factory=lambda: defaultdict(Calls))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """Executions that ended alike, or waited alike, or one that is open."""

    kind: str
    agent: str | None
    outcome: str | None
    bucket: int | None
    number: int
    seconds: float
    task_id: UUID | None
    attempt: int | None

    @property
    def key(self) -> tuple[UUID, int] | None:
        """Of the one that is open."""
        if self.task_id is None or self.attempt is None:
            return None
        return self.task_id, self.attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class _EndedCalls:
    """Calls that ended alike, or one that is open."""

    agent: str
    model: str
    status: str
    number: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_usd: Decimal
    unpriced: int
    id: UUID | None


@dataclass(frozen=True, slots=True)
class _Moment:
    moment: datetime


@dataclass(frozen=True, slots=True)
class _Execution:
    task_id: UUID
    attempt: int


@dataclass(frozen=True, slots=True)
class _Call:
    id: UUID


One = TypeVar("One", _Execution, _Call)


@dataclass(frozen=True, slots=True)
class _Seen(Generic[One]):
    """Up to when it was looked, and what was open then."""

    until: datetime
    open: Sequence[One]


class Tally:
    """Counts what has ended since it began, or since `reach` before its first look."""

    def __init__(self, reach: timedelta = timedelta()) -> None:
        self.counts = Counts()
        self.agents = Names(_MOST_AGENTS)
        self.models = Names(_MOST_MODELS)
        self._reach = reach
        self._executions: _Seen[_Execution] | None = None
        self._calls: _Seen[_Call] | None = None

    @property
    def open(self) -> int:
        """Executions that were under way at the last look."""
        return len(self._executions.open) if self._executions else 0

    def look(self, reader: Reader) -> None:
        """Count what has ended since the last look."""
        statements = Statements("metrics", reader.schema)
        until = reader.row(statements, "moment", _Moment, behind=_BEHIND_SECONDS).moment
        self._look_at_executions(reader, statements, until)
        self._look_at_calls(reader, statements, until)

    def _look_at_executions(self, reader: Reader, statements: Statements, until: datetime) -> None:
        begin = until - self._reach
        seen = self._executions or _Seen(
            begin, reader.rows(statements, "open_executions", _Execution, before=begin)
        )
        found = reader.rows(
            statements,
            "executions",
            _Ended,
            since=seen.until,
            until=until,
            ids=[one.task_id for one in seen.open],
            attempts=[one.attempt for one in seen.open],
            bounds=[-bound for bound in reversed(BOUNDS)],
        )
        for one in found:
            self._add(one)
        still = [_Execution(*one.key) for one in found if one.key is not None]
        self._executions = _Seen(until, still)

    def _add(self, one: _Ended) -> None:
        agent = self.agents(one.agent)
        if one.kind == "run":
            self.counts.executions[agent, one.outcome or ""] += one.number
        if one.bucket is not None:
            times = self.counts.runs if one.kind == "run" else self.counts.waits
            times[agent].add(one.bucket, one.number, one.seconds)

    def _look_at_calls(self, reader: Reader, statements: Statements, until: datetime) -> None:
        begin = until - self._reach
        seen = self._calls or _Seen(
            begin, reader.rows(statements, "open_calls", _Call, before=begin)
        )
        found = reader.rows(
            statements,
            "calls",
            _EndedCalls,
            since=seen.until,
            until=until,
            ids=[one.id for one in seen.open],
        )
        for one in found:
            if one.id is None:
                self._add_calls(one)
        self._calls = _Seen(until, [_Call(one.id) for one in found if one.id is not None])

    def _add_calls(self, one: _EndedCalls) -> None:
        agent, model = self.agents(one.agent), self.models(one.model)
        self.counts.calls[agent, model, one.status] += one.number
        spent = self.counts.spent[agent, model]
        spent.tokens.update(
            input=one.input_tokens,
            cached=one.cached_tokens,
            output=one.output_tokens,
            reasoning=one.reasoning_tokens,
        )
        spent.cost_usd += one.cost_usd
        spent.unpriced += one.unpriced
