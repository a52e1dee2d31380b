"""Which lanes a claim takes how many tasks from: the decision, without a database.

A lane is a queue of tasks of one agent and type that share a tenant and the same limits. Its
name says all of that: agent, type, tenant, and each limit as `id` or `id=value`, each with a
U+001F behind it. Tasks that stand in no lane are one more queue, of no tenant and under no limit.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

MARK = "\x1f"

# The name of the queue of those that stand in no lane.
PLAIN = ""


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane with what is due in it: how many tasks of each priority, the first ones."""

    name: str
    due: Mapping[int, int]

    @property
    def tenant(self) -> str:
        """Whose turn it is when this lane's is; empty for nobody's."""
        return tenant_of(self.name)

    @property
    def groups(self) -> list[str]:
        """The limits that its tasks count in, each with its value."""
        return groups_of(self.name)


@dataclass(frozen=True, slots=True)
class Running:
    """How many tasks of an agent, a type and a lane run now."""

    agent_name: str | None
    task_type: str | None
    lane: str | None
    tasks: int


@dataclass(frozen=True, slots=True)
class Rule:
    """A limit as a decision sees it.

    `started` has for each value of its key how many tasks were started within the period,
    and the seconds until the oldest of them leave it.
    """

    id: int
    agent_name: str
    task_type: str | None
    concurrency: int | None
    rate: int | None
    started: Mapping[str, tuple[int, float]] = field(default_factory=dict)

    def concerns(self, agent_name: str | None, task_type: str | None) -> bool:
        """Whether tasks of this agent and type count in it."""
        return self.agent_name == agent_name and self.task_type in (None, task_type)


@dataclass(frozen=True, slots=True)
class Scene:
    """What a worker sees when it claims: the limits, what runs, and what is due."""

    rules: Sequence[Rule]
    running: Sequence[Running]
    lanes: Sequence[Lane]

    def is_stale(self, agent_name: str | None, task_type: str | None, lane: str | None) -> bool:
        """Whether tasks were put into a lane, or none, before a limit came or went."""
        wanted = [rule.id for rule in self.rules if rule.concerns(agent_name, task_type)]
        return sorted(limits_of(lane or "")) != sorted(wanted)

    def stale_lanes(self) -> list[str]:
        """Lanes whose tasks have to be put elsewhere before they can be claimed."""
        names = (lane.name for lane in self.lanes if lane.name != PLAIN)
        return [name for name in names if self.is_stale(*handler_of(name), name)]

    def stale_running(self) -> list[Running]:
        """What runs without being counted by a limit that concerns it."""
        return [r for r in self.running if self.is_stale(r.agent_name, r.task_type, r.lane)]

    def turns(self) -> Counter[str]:
        """How many tasks of each tenant run; those of none have an empty name."""
        turns: Counter[str] = Counter()
        for one in self.running:
            turns[tenant_of(one.lane or "")] += one.tasks
        return turns

    def free(self) -> dict[str, int]:
        """How many tasks may start now, for each limit and value in the lanes."""
        running: Counter[str] = Counter()
        for one in self.running:
            for group in groups_of(one.lane or ""):
                running[group] += one.tasks
        rules = {rule.id: rule for rule in self.rules}
        free: dict[str, int] = {}
        for group in {group for lane in self.lanes for group in lane.groups}:
            number, _, value = group.partition("=")
            free[group] = _left(rules.get(int(number)), value, running[group])
        return free


@dataclass(frozen=True, slots=True)
class Decision:
    """How many tasks to take from each lane.

    `held_back` says that some have to wait until others have ended.
    """

    shares: Mapping[str, int]
    held_back: bool

    @property
    def lanes(self) -> list[str]:
        """The lanes that something is taken from."""
        return [name for name in self.shares if name != PLAIN]


def decide(scene: Scene, room: int, slots: int) -> Decision:
    """Give each place to whose turn it is.

    The smallest priority first; within it the tenant with the fewest running. `room` is how
    many tasks may be taken in all, `slots` how many of them under limits: what is counted as
    running shall run. No limit is exceeded, and no place stays empty while a task is due that
    may have it.
    """
    stale = set(scene.stale_lanes())
    uncounted = {one.agent_name for one in scene.stale_running()}
    free, turns, number = scene.free(), scene.turns(), count()
    shares: Counter[str] = Counter()
    held_back = False
    queue = [
        (priority, turns[lane.tenant], next(number), lane, tasks)
        for lane in scene.lanes
        if lane.name not in stale and not (lane.groups and handler_of(lane.name)[0] in uncounted)
        for priority, tasks in lane.due.items()
    ]
    heapq.heapify(queue)
    while queue and room:
        priority, turn, _, lane, tasks = heapq.heappop(queue)
        groups = lane.groups
        if groups and (not slots or any(free[group] <= 0 for group in groups)):
            held_back = True
            continue
        if turn == turns[lane.tenant]:
            room -= 1
            slots -= bool(groups)
            tasks -= 1
            shares[lane.name] += 1
            turns[lane.tenant] += 1
            for group in groups:
                free[group] -= 1
        if tasks:
            heapq.heappush(queue, (priority, turns[lane.tenant], next(number), lane, tasks))
    return Decision(shares, held_back or bool(uncounted))


def seconds_to_open(scene: Scene) -> float | None:
    """How long until a limit that was reached by its rate lets the next task start."""
    waits = [
        rule.started[value][1]
        for rule in scene.rules
        for value in rule.started
        if rule.rate is not None and rule.started[value][0] >= rule.rate
    ]
    return min(waits, default=None)


def handler_of(lane: str) -> tuple[str, str]:
    """Agent and type of a lane."""
    agent_name, task_type, *_ = lane.split(MARK)
    return agent_name, task_type


def tenant_of(lane: str) -> str:
    """The tenant of a lane; empty for none."""
    return lane.split(MARK)[2] if lane else ""


def groups_of(lane: str) -> list[str]:
    """The limits that a lane's tasks count in, as `id` or `id=value`."""
    return lane.split(MARK)[3:-1]


def limits_of(lane: str) -> list[int]:
    """The ids of those limits."""
    return [int(group.partition("=")[0]) for group in groups_of(lane)]


def ranges(handlers: Iterable[str], start: str) -> tuple[list[str], list[str]]:
    """The bounds between which the lanes of these handlers lie, once round from `start`: each
    range is above its low and up to its high bound."""
    known = sorted(handlers)
    behind = [handler for handler in known if handler + " " > start]
    before = [handler for handler in known if handler + " " <= start]
    lows = [max(handler + MARK, start) for handler in behind] + [h + MARK for h in before]
    highs = [handler + " " for handler in (*behind, *before)]
    if behind and behind[0] + MARK < start:
        lows, highs = [*lows, behind[0] + MARK], [*highs, start]
    return lows, highs


def _left(rule: Rule | None, value: str, running: int) -> int:
    """How many more may start; of a limit that is gone, none before its lane is sorted anew."""
    if rule is None:
        return 0
    left = [2**31]
    if rule.concurrency is not None:
        left.append(rule.concurrency - running)
    if rule.rate is not None:
        left.append(rule.rate - rule.started.get(value, (0, 0.0))[0])
    return min(left)
