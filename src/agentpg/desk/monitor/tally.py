"""Counting executions and calls as they end, without ever counting the history.

No index has the end of an execution, so that ending one stays cheap. So each look takes the
executions that have begun since the last one, and those that were open then: each is counted
once, when it has ended. What began before the tally is not counted, unless it says so.

A long time since the last look is read in slices, as many as there is time for at a look.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Generic, TypeVar
from uuid import UUID

from agentpg.db import QueryCanceled, Statements
from agentpg.desk.monitor.reading import Reader
from agentpg.errors import ServerBusy

OTHER = "other"

# From a tenth of a second to four hours.
BOUNDS = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0)

# A claim is one short statement; after so long it is committed and can be seen.
_BEHIND_SECONDS = 3.0

# What one statement reads at first; each that is quick lets the next one read twice as much.
_FIRST_SLICE = timedelta(minutes=5)
_QUICK_SECONDS = 0.1

# What cannot be read even in this is left out.
_SHORTEST_SLICE = timedelta(seconds=10)

# So long executions, and calls, are read at one look; a scrape has ten seconds.
_LOOK_SECONDS = 1.5

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


class _Slices:
    """Reads a time in slices: shorter ones where the server takes too long."""

    def __init__(self) -> None:
        self.left_out = 0
        self._length = _FIRST_SLICE

    def read(
        self,
        since: datetime,
        until: datetime,
        look: Callable[[datetime], None],
        leave_out: Callable[[datetime], None],
    ) -> None:
        """Call `look` with the end of each slice, until all is read or the time is over.

        What takes too long even as the shortest slice is left out, and counted as that. Raises
        what `look` raises, a time-out only where there is no time for a shorter slice.
        """
        ends = time.monotonic() + _LOOK_SECONDS
        self._length = min(self._length, _FIRST_SLICE)
        while True:
            upto, begun = min(since + self._length, until), time.monotonic()
            try:
                look(upto)
            except ServerBusy as error:
                if not isinstance(error.__cause__, QueryCanceled):
                    raise
                self._length = max((upto - since) / 2, _SHORTEST_SLICE)
                if upto - since > _SHORTEST_SLICE:
                    if time.monotonic() >= ends:
                        raise
                    continue
                leave_out(upto)
                self.left_out += 1
            else:
                if time.monotonic() - begun < _QUICK_SECONDS:
                    self._length *= 2
            since = upto
            if since >= until or time.monotonic() >= ends:
                return


class Tally:
    """Counts what has ended since it began, or since `reach` before its first look."""

    def __init__(self, reach: timedelta = timedelta()) -> None:
        self.counts = Counts()
        self.agents = Names(_MOST_AGENTS)
        self.models = Names(_MOST_MODELS)
        self._reach = reach
        self._executions: _Seen[_Execution] | None = None
        self._calls: _Seen[_Call] | None = None
        self._slices_of_executions = _Slices()
        self._slices_of_calls = _Slices()

    @property
    def open(self) -> int:
        """Executions that were under way at the last look."""
        return len(self._executions.open) if self._executions else 0

    @property
    def left_out(self) -> int:
        """How often a slice of time was not counted, since the server took too long for it."""
        return self._slices_of_executions.left_out + self._slices_of_calls.left_out

    def look(self, reader: Reader) -> None:
        """Count what has ended since the last look, or a part of it where that is long ago."""
        statements = Statements("metrics", reader.schema)
        until = reader.row(statements, "moment", _Moment, behind=_BEHIND_SECONDS).moment
        self._look_at_executions(reader, statements, until)
        self._look_at_calls(reader, statements, until)

    def _look_at_executions(self, reader: Reader, statements: Statements, until: datetime) -> None:
        begin = until - self._reach
        seen = self._executions or _Seen(
            begin, reader.rows(statements, "open_executions", _Execution, before=begin)
        )
        self._executions = seen

        def look(upto: datetime) -> None:
            self._executions = self._seen_executions(reader, statements, upto)

        def leave_out(upto: datetime) -> None:
            self._executions = replace(self._executions or seen, until=upto)

        self._slices_of_executions.read(seen.until, until, look, leave_out)

    def _seen_executions(
        self, reader: Reader, statements: Statements, upto: datetime
    ) -> _Seen[_Execution]:
        seen = self._executions or _Seen[_Execution](upto, ())
        found = reader.rows(
            statements,
            "executions",
            _Ended,
            since=seen.until,
            until=upto,
            ids=[one.task_id for one in seen.open],
            attempts=[one.attempt for one in seen.open],
            bounds=[-bound for bound in reversed(BOUNDS)],
        )
        for one in found:
            self._add(one)
        return _Seen(upto, [_Execution(*one.key) for one in found if one.key is not None])

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
        self._calls = seen

        def look(upto: datetime) -> None:
            self._calls = self._seen_calls(reader, statements, upto)

        def leave_out(upto: datetime) -> None:
            self._calls = replace(self._calls or seen, until=upto)

        self._slices_of_calls.read(seen.until, until, look, leave_out)

    def _seen_calls(self, reader: Reader, statements: Statements, upto: datetime) -> _Seen[_Call]:
        seen = self._calls or _Seen[_Call](upto, ())
        found = reader.rows(
            statements,
            "calls",
            _EndedCalls,
            since=seen.until,
            until=upto,
            ids=[one.id for one in seen.open],
        )
        for one in found:
            if one.id is None:
                self._add_calls(one)
        return _Seen(upto, [_Call(one.id) for one in found if one.id is not None])

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
