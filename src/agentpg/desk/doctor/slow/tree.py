"""Who blocks whom, as trees: a root holds what others wait for, and waits for nobody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agentpg.desk.check import Unlooked
from agentpg.desk.doctor.slow.facts import Facts, Wait
from agentpg.desk.monitor.sessions import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A session, or a prepared transaction (`pid` 0), and those that wait for it.

    `session` None where it is not known. Who waits for several is below each of them; what is
    below him is told once.
    """

    pid: int
    session: Session | None = None
    wait: Wait | None = None
    prepared: str = ""
    below: tuple[Node, ...] = ()

    @property
    def waiting_seconds(self) -> float:
        """How long it has waited for its lock."""
        if self.wait is not None:
            # For a moment the server does not tell when it began.
            return self.wait.seconds or 0.0
        if self.session is None or not self.session.blocked_by:
            return 0.0
        # Not longer than that, where the locks could not be looked at.
        return self.session.query_seconds or self.session.state_seconds or 0.0

    def all_below(self) -> Iterator[Node]:
        """All that wait for it, directly or behind others."""
        for node in self.below:
            yield node
            yield from node.all_below()

    @property
    def blocked(self) -> int:
        """How many sessions wait for it in all."""
        return len({node.pid for node in self.all_below()})

    @property
    def longest_seconds(self) -> float:
        """The longest wait below it."""
        return max((node.waiting_seconds for node in self.all_below()), default=0.0)


def blocking_trees(facts: Facts) -> tuple[Node, ...]:
    """The trees, the one that most wait for first; none where nobody waits, or none is seen."""
    if isinstance(facts.activity, Unlooked):
        return ()
    waits = () if isinstance(facts.waits, Unlooked) else facts.waits
    return trees_of(facts.activity.sessions, waits)


def trees_of(sessions: Sequence[Session], waits: Sequence[Wait]) -> tuple[Node, ...]:
    """The same for sessions and waits that are known."""
    growing = _Growing(sessions, waits)
    return tuple(sorted(growing.trees(), key=lambda one: (-one.blocked, -one.longest_seconds)))


class _Growing:
    def __init__(self, sessions: Sequence[Session], waits: Sequence[Wait]) -> None:
        self._sessions = {one.pid: one for one in sessions}
        self._waits = {one.pid: one for one in waits}
        self._below: dict[int, list[int]] = {}
        for one in sessions:
            # A process is named once for each of its locks.
            for pid in dict.fromkeys(one.blocked_by):
                self._below.setdefault(pid, []).append(one.pid)
        self._told: set[int] = set()

    def trees(self) -> Iterator[Node]:
        blocked = {pid for below in self._below.values() for pid in below}
        for root in sorted(self._below.keys() - blocked):
            yield self._node(root)
        # Those that are left wait for each other: a deadlock that is not found yet.
        for pid in sorted(self._below):
            if pid not in self._told:
                yield self._node(pid)

    def _node(self, pid: int) -> Node:
        is_new = pid not in self._told
        self._told.add(pid)
        below = self._below.get(pid, ()) if is_new else ()
        return Node(
            pid=pid,
            session=self._sessions.get(pid),
            wait=self._waits.get(pid),
            prepared=self._prepared(below) if pid == 0 else "",
            below=tuple(self._node(one) for one in below),
        )

    def _prepared(self, below: Sequence[int]) -> str:
        names = _names_of_prepared(self._waits, below)
        return next(names, "")


def _names_of_prepared(waits: Mapping[int, Wait], pids: Sequence[int]) -> Iterator[str]:
    for pid in pids:
        for held in waits[pid].holders if pid in waits else ():
            if held.prepared:
                yield held.prepared
