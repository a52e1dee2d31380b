"""The claim from lanes: look, decide, take, while no other worker does.

It runs on the worker's claiming connection. What limits allow is counted from what runs, not
kept in counters, so that nothing has to be mended after a crash.
"""

from __future__ import annotations

import logging
import math
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from agentpg.db import Composed, Statements, SteadyConnection, array_literal
from agentpg.errors import AgentpgError
from agentpg.tasks.lanes import (
    MARK,
    PLAIN,
    Decision,
    Lane,
    Rule,
    Running,
    Scene,
    decide,
    groups_of,
    ranges,
    seconds_to_open,
)
from agentpg.tasks.pace import spread

# One claim looks at so many lanes, and the next one goes on where it ended.
MOST_LANES = 200

# One claim takes so many tasks: it keeps the others waiting for a few milliseconds.
_LARGEST_CLAIM = 500

# So many tasks are put into lanes at a time.
_SORTED_AT_A_TIME = 2000

# Waits: while another worker claims; and between looks at lanes that limits hold back, doubled
# up to the poll's interval.
_WHILE_LOCKED = 0.005
_FIRST_WAIT = 0.05

_SECONDS_BETWEEN_TIDYINGS = 10.0

_log = logging.getLogger("agentpg.worker")

Execute = Callable[..., Awaitable[list[Any]]]


@dataclass(frozen=True, slots=True)
class Taken:
    """The rows that a claim took from lanes, and how many tasks it leaves to those in none."""

    tasks: list[tuple[Any, ...]] = field(default_factory=list)
    plain: int = 0


@dataclass(slots=True)
class _Round:
    """What came of the looks at all lanes, each at a part of them."""

    took: bool = False
    held_back: bool = False

    def see(self, *, took: bool, held_back: bool) -> None:
        self.took |= took
        self.held_back |= held_back


class Turns:
    """One worker's claims from lanes.

    `handlers` and `not_twice` are as in the claim; `poll` is the longest wait between looks,
    in seconds.
    """

    def __init__(
        self,
        connection: SteadyConnection,
        schema: str,
        handlers: Sequence[str],
        not_twice: Sequence[str],
        poll: float,
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._sql = Statements("lanes", schema)
        self._handlers = list(handlers)
        self._known = array_literal(handlers)
        self._not_twice = array_literal(not_twice)
        self._poll = poll
        self._start = ""
        self._waiting = False
        self._unsorted = False
        self._sorted: str | None = None
        self._held_back = False
        self._contended = False
        self._round = _Round()
        self._wait = _FIRST_WAIT
        self._not_before = 0.0
        self._tidied = time.monotonic()

    def notice(self, unsorted: int = 0, ids: str | None = None) -> None:
        """Something waits in a lane; so many, with these ids, were just put into one, and more
        may follow."""
        self._waiting = True
        if unsorted:
            self._unsorted = True
            self._not_before = 0.0
            self._sorted = ids

    async def log_held(self) -> None:
        """Say which of those that were just put into lanes are held instead, and why."""
        ids, self._sorted = self._sorted, None
        if ids is not None:
            with suppress(AgentpgError):  # a line in the log is worth no claim
                _log_held(await self._connection.execute(self._sql["held"], {"ids": ids}))

    def wake(self) -> None:
        """Look again at the next claim, whatever the last look found."""
        self._not_before = 0.0

    @property
    def wanted(self) -> bool:
        """Whether the next claim looks at the lanes."""
        return self._waiting and time.monotonic() >= self._not_before

    @property
    def contended(self) -> bool:
        """Whether another worker claimed from the lanes at the last look at them, so that the
        rest must wait until the next."""
        return self._contended and self._waiting

    @property
    def held_back(self) -> bool:
        """Whether a limit keeps tasks from being claimed, so that each one that ends counts."""
        return self._waiting and self._held_back

    def pause(self) -> float:
        """Seconds until the lanes are to be looked at again; endless where none is used."""
        return max(self._not_before - time.monotonic(), 0) if self._waiting else math.inf

    async def claim(self, worker: UUID, room: int, slots: int, marks: Mapping[str, Any]) -> Taken:
        """Take up to `room` tasks from the lanes whose turn it is, under limits up to `slots`.

        `marks` say where those begin that stand in no lane.
        """
        if self._unsorted:
            self._unsorted = bool(await self._sort("sort_plain"))
        room = min(room, _LARGEST_CLAIM)
        async with self._connection.transaction() as execute:
            [[alone]] = await execute(self._sql["lock"], {"schema": self._schema})
            if not alone:
                self._contended = True
                self._rest(spread(_WHILE_LOCKED, 0.5))
                return Taken()
            scene = await self._look(execute, room, marks)
            decision = decide(scene, room, slots)
            tasks = await self._take(execute, scene, decision, worker)
            await self._tidy(execute)
        self._contended = False
        self._plan(scene, decision, took=bool(tasks))
        stale = scene.stale_lanes()
        if stale and await self._sort("sort_lanes", stale):
            self._not_before = 0.0
        return Taken(tasks, decision.shares.get(PLAIN, 0))

    async def _look(self, execute: Execute, room: int, marks: Mapping[str, Any]) -> Scene:
        paused = {row[0] for row in await execute(self._sql["paused"])}
        active = [h for h in self._handlers if h.split(MARK)[0] not in paused]
        rules = await self._rules(execute)
        lanes = await self._lanes(execute, active, room)
        plain = {"handlers": self._known, "room": room, **marks}
        due = {p: n for p, n in await execute(self._sql["plain_due"], plain) if n}
        if due:
            lanes = [*lanes, Lane(PLAIN, due)]
        scene = Scene(rules, await self._running(execute), lanes)
        if stale := scene.stale_running():
            await execute(self._sql["sort_running"], _columns(stale))
            scene = Scene(rules, await self._running(execute), lanes)
        return scene

    async def _rules(self, execute: Execute) -> list[Rule]:
        agents = sorted({handler.split(MARK)[0] for handler in self._handlers})
        started: dict[tuple[Any, ...], dict[str, tuple[int, float]]] = defaultdict(dict)
        for row in await execute(self._sql["limits"], {"agents": agents}):
            value, tasks, seconds = row[5:]
            found = started[row[:5]]
            if value is not None:
                found[value] = (int(tasks), seconds)
        return [
            Rule(number, agent, kind, concurrency, rate, found)
            for (number, agent, kind, concurrency, rate), found in started.items()
        ]

    async def _running(self, execute: Execute) -> list[Running]:
        return [Running(*row) for row in await execute(self._sql["running"])]

    async def _lanes(self, execute: Execute, active: Sequence[str], room: int) -> list[Lane]:
        lows, highs = ranges(active, self._start)
        bounds = {"lows": lows, "highs": highs, "most": MOST_LANES, "room": room}
        due: dict[str, dict[int, int]] = defaultdict(dict)
        for name, priority, tasks in await execute(self._sql["due"], bounds) if lows else ():
            found = due[name]
            if priority is not None:
                found[priority] = tasks
        self._start = list(due)[-1] if len(due) >= MOST_LANES else ""
        return [Lane(name, found) for name, found in due.items()]

    async def _take(
        self, execute: Execute, scene: Scene, decision: Decision, worker: UUID
    ) -> list[tuple[Any, ...]]:
        lanes = decision.lanes
        if not lanes:
            return []
        rated = {rule.id for rule in scene.rules if rule.rate is not None}
        starts = [
            (lane, int(number), value)
            for lane in lanes
            for number, _, value in (group.partition("=") for group in groups_of(lane))
            if int(number) in rated
        ]
        parameters = {
            "worker": worker,
            "not_twice": self._not_twice,
            "lanes": lanes,
            "shares": [decision.shares[lane] for lane in lanes],
            "rated_lanes": [lane for lane, _, _ in starts],
            "rated_limits": [number for _, number, _ in starts],
            "rated_values": [value for _, _, value in starts],
        }
        return await execute(self._sql["claim"], parameters)

    async def _tidy(self, execute: Execute) -> None:
        now = time.monotonic()
        if now - self._tidied >= _SECONDS_BETWEEN_TIDYINGS:
            self._tidied = now
            await execute(self._sql["forget_starts"])

    async def _sort(self, statement: str, lanes: Sequence[str] = ()) -> int:
        """Put tasks into the lanes that they belong in; how many."""
        batch = max(_SORTED_AT_A_TIME // max(len(lanes), 1), 1)
        composed: Composed = self._sql[statement]
        parameters = {"batch": batch, "lanes": list(lanes)}
        [[number, ids]] = await self._connection.execute(composed, parameters)
        self._sorted = ids
        await self.log_held()
        return int(number or 0)

    def _plan(self, scene: Scene, decision: Decision, *, took: bool) -> None:
        """When to look again: at once, as long as the last look was worth it, and until all
        lanes have been looked at."""
        lanes = [lane for lane in scene.lanes if lane.name != PLAIN]
        self._waiting = bool(lanes) or bool(self._start)
        in_vain = bool(decision.lanes) and not took  # others have locked what was chosen
        self._round.see(took=took, held_back=decision.held_back or in_vain)
        if self._start:
            self._rest(0)
            return
        this, self._round = self._round, _Round()
        self._held_back = this.held_back
        if this.took:
            self._wait = _FIRST_WAIT
            self._rest(0)
        elif this.held_back:
            opens = seconds_to_open(scene)
            wait = spread(self._wait, 0.2)
            self._rest(min(wait, self._poll, wait if opens is None else opens + 0.001))
            self._wait = min(self._wait * 2, self._poll)
        else:
            self._rest(0 if any(lane.due for lane in lanes) else self._poll)

    def _rest(self, seconds: float) -> None:
        self._not_before = time.monotonic() + seconds


def _log_held(rows: Sequence[tuple[UUID, str, str, str]]) -> None:
    """A line for each reason why tasks are held that have just been; nobody held them by hand."""
    held: dict[tuple[str, ...], list[UUID]] = defaultdict(list)
    for task, *why in rows:
        held[tuple(why)].append(task)
    for (agent_name, task_type, reason), tasks in held.items():
        _log.warning(
            "tasks held: %s of %s/%s, because %s; the first is %s",
            len(tasks), agent_name, task_type, reason, tasks[0],
            extra={"agent": agent_name, "task_type": task_type, "task": str(tasks[0])},
        )  # fmt: skip


def _columns(stale: Sequence[Running]) -> dict[str, list[str | None]]:
    return {
        "agents": [one.agent_name for one in stale],
        "types": [one.task_type for one in stale],
        "lanes": [one.lane for one in stale],
    }
