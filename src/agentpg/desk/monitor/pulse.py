"""What a live view shows: the server, the agents and the sessions at one moment, and the pace."""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agentpg.db import Database, Statements, connect
from agentpg.desk.monitor.metrics.parts import Sample
from agentpg.desk.monitor.reading import Reader
from agentpg.desk.monitor.sessions import Activity, read_activity
from agentpg.desk.monitor.tally import Tally
from agentpg.errors import AgentpgError

# The paces of agents are those of the last minute.
_WINDOW = timedelta(minutes=1)

# Counting a long queue takes time; then it is counted so much more seldom than it takes.
_RESTS_TIMES = 20

_BAD = ("failed", "timed_out", "lost")

_STATEMENT_TIMEOUT = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """The server's counters at one moment."""

    version: str
    started_at: datetime
    now: datetime
    in_recovery: bool
    transactions: int
    pages_hit: int
    pages_read: int
    wal_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What the server does a second; None where only one look was taken."""

    transactions: float | None = None
    hit_share: float | None = None
    wal_bytes: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Workers that beat, what they can run at a time, and what they run."""

    alive: int
    slots: int
    busy: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPulse:
    """An agent's tasks by state, and what it did in the last minute."""

    name: str
    ready: int = 0
    delayed: int = 0
    held: int = 0
    running: int = 0
    waiting: int = 0
    oldest_seconds: float | None = None
    ended: float = 0.0
    failed: float = 0.0
    tokens: float = 0.0
    cost_usd: float = 0.0

    @property
    def unfinished(self) -> int:
        """All of its tasks that have not ended."""
        return self.ready + self.delayed + self.held + self.running + self.waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One moment. `agents` is None, and `problem` says why, where they cannot be read."""

    target: str
    beat: Beat
    pace: Pace
    activity: Activity
    workers: Workers | None = None
    agents: tuple[AgentPulse, ...] | None = None
    problem: AgentpgError | None = None

    @property
    def total(self) -> AgentPulse:
        """All agents together."""
        agents = self.agents or ()
        oldest = [one.oldest_seconds for one in agents if one.oldest_seconds is not None]
        return AgentPulse(
            name="",
            **{
                name: sum(getattr(one, name) for one in agents)
                for name in ("ready", "delayed", "held", "running", "waiting")
            },
            oldest_seconds=max(oldest, default=None),
            ended=sum(one.ended for one in agents),
            failed=sum(one.failed for one in agents),
            tokens=sum(one.tokens for one in agents),
            cost_usd=sum(one.cost_usd for one in agents),
        )


# What an agent has done so far: ended, failed, tokens, dollars.
_Done = dict[str, tuple[float, float, float, float]]


class Pulse:
    """Looks again and again, over one connection that is made anew when it is lost."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reader: Reader | None = None
        self._tally = Tally(_WINDOW)
        self._beat: Beat | None = None
        self._done: deque[tuple[float, _Done]] = deque()
        self._queue: list[Sample] = []
        self._count_again_at = 0.0
        self._uncounted: AgentpgError | None = None

    def look(self) -> Frame:
        """The moment as it is. Raises DatabaseUnavailable, and its like."""
        reader = self._connected()
        try:
            return self._look(reader)
        finally:
            if reader.is_lost:
                self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._reader is not None:
            self._reader.close()
        self._reader = self._beat = None
        self._count_again_at = 0.0

    def _connected(self) -> Reader:
        if self._reader is None:
            connection = connect(self._database, "agentpg monitor top")
            self._reader = Reader(self._database, connection, _STATEMENT_TIMEOUT)
        return self._reader

    def _look(self, reader: Reader) -> Frame:
        statements = Statements("monitor", reader.schema)
        beat = reader.row(statements, "pulse", Beat)
        pace, self._beat = _pace(self._beat, beat), beat
        activity = read_activity(reader)
        target = self._database.target()
        try:
            workers = reader.row(statements, "workers", Workers)
            agents = self._agents(reader)
        except AgentpgError as problem:
            if reader.is_lost:
                raise
            return Frame(target=target, beat=beat, pace=pace, activity=activity, problem=problem)
        return Frame(
            target=target, beat=beat, pace=pace, activity=activity, workers=workers, agents=agents
        )

    def _agents(self, reader: Reader) -> tuple[AgentPulse, ...]:
        self._tally.look(reader)
        self._count(reader)
        queued: defaultdict[str, dict[str, float]] = defaultdict(dict)
        for sample in self._queue:
            name = self._tally.agents(sample.labels[0])
            state = sample.labels[1] if len(sample.labels) > 1 else sample.name
            queued[name][state] = queued[name].get(state, 0.0) + (sample.value or 0.0)
        paces = self._paces()
        names = sorted({*queued, *(name for name, done in paces.items() if any(done))})
        found = (_agent(name, queued[name], paces.get(name)) for name in names)
        return tuple(sorted(found, key=lambda one: (-one.ended, -one.unfinished, one.name)))

    def _count(self, reader: Reader) -> None:
        begun = time.monotonic()
        if begun >= self._count_again_at:
            self._uncounted = None
            try:
                self._queue = self._queued(reader)
            except AgentpgError as error:
                self._uncounted = error
            finally:
                ended = time.monotonic()
                self._count_again_at = ended + (ended - begun) * _RESTS_TIMES
        if self._uncounted is not None:
            raise self._uncounted

    def _queued(self, reader: Reader) -> list[Sample]:
        statements = Statements("metrics", reader.schema)
        return reader.rows(statements, "queue", Sample)

    def _paces(self) -> _Done:
        """What each agent did a minute, within the last one."""
        now, done = time.monotonic(), _done(self._tally)
        if not self._done:
            # The first look of the tally reaches so far back.
            self._done.append((now - _WINDOW.total_seconds(), {}))
        self._done.append((now, done))
        while len(self._done) > 2 and self._done[1][0] <= now - _WINDOW.total_seconds():
            self._done.popleft()
        begun, before = self._done[0]
        minutes = (now - begun) / 60
        nothing = (0.0, 0.0, 0.0, 0.0)
        return {
            name: _per_minute(values, before.get(name, nothing), minutes)
            for name, values in done.items()
        }


def _pace(before: Beat | None, now: Beat) -> Pace:
    if before is None or before.started_at != now.started_at:
        return Pace()
    seconds = (now.now - before.now).total_seconds()
    if seconds <= 0:
        return Pace()
    hit, read = now.pages_hit - before.pages_hit, now.pages_read - before.pages_read
    wal = None
    if now.wal_bytes is not None and before.wal_bytes is not None:
        wal = (now.wal_bytes - before.wal_bytes) / seconds
    return Pace(
        transactions=max(now.transactions - before.transactions, 0) / seconds,
        hit_share=hit / (hit + read) if hit >= 0 and read >= 0 and hit + read else None,
        wal_bytes=wal,
    )


def _done(tally: Tally) -> _Done:
    ended: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    dollars: defaultdict[str, float] = defaultdict(float)
    for (agent, outcome), number in tally.counts.executions.items():
        ended[agent] += number
        failed[agent] += number if outcome in _BAD else 0
    for (agent, _), spent in tally.counts.spent.items():
        tokens[agent] += spent.tokens["input"] + spent.tokens["output"]
        dollars[agent] += float(spent.cost_usd)
    names = {*ended, *tokens}
    return {n: (float(ended[n]), float(failed[n]), float(tokens[n]), dollars[n]) for n in names}


def _per_minute(
    now: Sequence[float], before: Sequence[float], minutes: float
) -> tuple[float, float, float, float]:
    ended, failed, tokens, dollars = ((a - b) / minutes for a, b in zip(now, before, strict=True))
    return ended, failed, tokens, dollars


def _agent(
    name: str, queued: dict[str, float], pace: tuple[float, float, float, float] | None
) -> AgentPulse:
    ended, failed, tokens, cost = pace or (0.0, 0.0, 0.0, 0.0)
    states = ("ready", "delayed", "held", "running", "waiting")
    oldest = queued.get("agentpg_oldest_ready_seconds")
    return AgentPulse(
        name=name,
        **{state: int(queued.get(state, 0)) for state in states},
        oldest_seconds=oldest or None,
        ended=ended,
        failed=failed,
        tokens=tokens,
        cost_usd=cost,
    )
