"""A plan as the server gives it in JSON, as a tree in which each node has its own time.

Times are of the clock: what workers of a parallel part do side by side counts once. A node's own
time is its time less that of the nodes below it; that of a CTE or an InitPlan counts where it is
read first.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Beside the settings that change plans, what this reading of a plan has set itself.
_OUR_SETTINGS = ("plan_cache_mode",)

_GATHERS = ("Gather", "Gather Merge")

# They name a subplan, and do not ask for its value.
_NO_TEXTS = ("Plans", "Subplan Name")

# They take all rows below them before they give the first.
_BLOCKING = ("Sort", "Hash", "Aggregate", "Materialize", "Bitmap Heap Scan", "SetOp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node: `number` counts from the top from 1, `rows` and `planned_rows` are per loop.

    What was not measured is None: nothing is, where the statement did not run. `cut_short` says
    that what is above may have stopped before all rows had come.
    """

    number: int
    depth: int
    kind: str
    said: Mapping[str, Any]
    children: tuple[Node, ...] = ()
    planned_rows: float = 0
    cost: float = 0
    rows: float | None = None
    loops: int = 0
    time_ms: float | None = None
    own_ms: float | None = None
    cut_short: bool = False

    def __iter__(self) -> Iterator[Node]:
        """Itself and all below it, as they are shown."""
        return itertools.chain([self], *self.children)

    @property
    def relation(self) -> str:
        """The table that it reads or writes, with its schema; empty for none."""
        name = self.said.get("Relation Name", "")
        schema = self.said.get("Schema", "")
        return f"{schema}.{name}" if name and schema else str(name)

    @property
    def label(self) -> str:
        """What it does, in short: Index Scan using tasks_pkey on tasks t."""
        said = self.said
        parts = [_kind_of(said)]
        if index := said.get("Index Name"):
            parts.append(f"using {index}")
        name = said.get("Relation Name") or said.get("CTE Name") or said.get("Function Name")
        alias = said.get("Alias")
        if name:
            parts.append(f"on {name}" if alias in (None, name) else f"on {name} {alias}")
        if subplan := said.get("Subplan Name"):
            parts.append(f"[{subplan}]")
        return " ".join(parts)

    @property
    def ran(self) -> bool:
        """Whether it was measured and ran at least once."""
        return self.rows is not None and self.loops > 0

    def total(self, key: str) -> float:
        """A figure per loop, such as Rows Removed by Filter, over all loops."""
        return float(self.said.get(key) or 0) * max(self.loops, 1)

    @property
    def total_rows(self) -> float:
        """What it gave in all."""
        return (self.rows or 0) * self.loops


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFact:
    """What the catalogue knows of a table of the plan; `rows` -1 where it was never counted.

    `quoted` is its name as SQL has it.
    """

    name: str
    quoted: str
    rows: float
    partitioned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The plan of one statement. `analyzed` if the statement ran; times are milliseconds.

    `generic` if it holds for any parameters. `custom_cost` and `generic_cost` are told where both
    were planned.
    """

    statement: str
    root: Node
    analyzed: bool = False
    generic: bool = False
    planning_ms: float | None = None
    execution_ms: float | None = None
    jit_ms: float = 0
    settings: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, TableFact] = field(default_factory=dict)
    custom_cost: float | None = None
    generic_cost: float | None = None

    @property
    def whole_ms(self) -> float:
        """What all took that the shares are of; 0 where it did not run."""
        return max(self.execution_ms or 0, self.root.time_ms or 0)

    def share(self, node: Node) -> float:
        """The share of the time that a node itself took, 0 to 1."""
        return (node.own_ms or 0) / self.whole_ms if self.whole_ms else 0.0


def plan_of(
    document: Mapping[str, Any],
    statement: str,
    *,
    generic: bool = False,
    tables: Mapping[str, TableFact] | None = None,
    costs: tuple[float | None, float | None] = (None, None),
) -> Plan:
    """The plan that one element of EXPLAIN's JSON tells; `costs` are the custom and generic."""
    root = _Building(document["Plan"]).root
    settings = document.get("Settings") or {}
    return Plan(
        statement=statement,
        root=root,
        analyzed=root.rows is not None,
        generic=generic,
        planning_ms=document.get("Planning Time"),
        execution_ms=document.get("Execution Time"),
        jit_ms=float((document.get("JIT") or {}).get("Timing", {}).get("Total") or 0),
        settings={n: str(v) for n, v in settings.items() if n not in _OUR_SETTINGS},
        tables=tables or {},
        custom_cost=costs[0],
        generic_cost=costs[1],
    )


class _Building:
    """The tree, built from the top; CTEs are timed where they are read."""

    def __init__(self, top: Mapping[str, Any]) -> None:
        self._numbers = itertools.count(1)
        self._ctes = dict(_cte_times(top))
        self._reads, self._apart = _initplan_times(top)
        self.root = self._node(top, 0, processes=1.0, cut_short=False)

    def _node(
        self, said: Mapping[str, Any], depth: int, *, processes: float, cut_short: bool
    ) -> Node:
        number = next(self._numbers)
        below = said.get("Plans") or ()
        children = tuple(
            self._node(
                one,
                depth + 1,
                processes=_processes(said, one, processes),
                cut_short=_is_cut_short(said, one, cut_short),
            )
            for one in below
        )
        time_ms = _time(said, processes)
        return Node(
            number=number,
            depth=depth,
            kind=str(said.get("Node Type", "")),
            said={key: value for key, value in said.items() if key != "Plans"},
            children=children,
            planned_rows=float(said.get("Plan Rows") or 0),
            cost=float(said.get("Total Cost") or 0),
            rows=None if "Actual Rows" not in said else float(said["Actual Rows"]),
            loops=int(said.get("Actual Loops") or 0),
            time_ms=time_ms,
            own_ms=self._own(said, children, time_ms),
            cut_short=cut_short,
        )

    def _own(
        self, said: Mapping[str, Any], children: Sequence[Node], time_ms: float | None
    ) -> float | None:
        if time_ms is None:
            return None
        below = sum(
            one.time_ms or 0
            for one in children
            if not _is_cte(one.said) and one.said.get("Subplan Name") not in self._apart
        )
        below += self._reads.get(id(said), 0.0)
        if said.get("Node Type") == "CTE Scan":
            # The first to read a CTE has it made.
            below += self._ctes.pop(str(said.get("CTE Name")), 0.0)
        return max(time_ms - below, 0.0)


_INITPLAN = re.compile(r"InitPlan (\d+)(?: \(returns (.+)\))?")


def _initplan_times(top: Mapping[str, Any]) -> tuple[dict[int, float], set[str]]:
    """The time of each InitPlan by the node that has it run, and which of them are known so.

    It hangs at one node, and runs when its value is asked for: below a Gather by the Gather.
    """
    found: dict[int, float] = defaultdict(float)
    known = set()
    nodes = list(_upwards(top))
    for one in nodes:
        name = str(one.get("Subplan Name", ""))
        match = _INITPLAN.fullmatch(name)
        if match is None:
            continue
        inside = {id(each) for each in _upwards(one)}
        asks = re.compile(_asking(match))
        readers = [n for n in nodes if id(n) not in inside and asks.search(_texts(n))]
        sharing = [n for n in readers if "Params Evaluated" in n]
        for reader in (sharing or readers)[:1]:
            found[id(reader)] += _time(one, 1.0) or 0.0
            known.add(name)
    return found, known


def _asking(initplan: re.Match[str]) -> str:
    """What names its values: $0 until PostgreSQL 16, (InitPlan 1).col1 since."""
    returned = "|".join(re.escape(one) for one in (initplan[2] or "").split(",") if one)
    return rf"(?:{returned})(?!\d)" if returned else rf"InitPlan {initplan[1]}\)"


def _texts(said: Mapping[str, Any]) -> str:
    return " ".join(str(value) for key, value in said.items() if key not in _NO_TEXTS)


def _upwards(said: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All nodes, those below before those above, about as they come to give rows."""
    for one in said.get("Plans") or ():
        yield from _upwards(one)
    yield said


def _cte_times(said: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for one in said.get("Plans") or ():
        if _is_cte(one):
            name = str(one["Subplan Name"]).removeprefix("CTE ")
            yield name, _time(one, 1.0) or 0.0
        yield from _cte_times(one)


def _is_cte(said: Mapping[str, Any]) -> bool:
    return str(said.get("Subplan Name", "")).startswith("CTE ")


def _time(said: Mapping[str, Any], processes: float) -> float | None:
    if "Actual Total Time" not in said:
        return None
    return float(said["Actual Total Time"]) * float(said.get("Actual Loops") or 0) / processes


def _processes(said: Mapping[str, Any], below: Mapping[str, Any], processes: float) -> float:
    """How many processes share the loops of a node below: those of its Gather."""
    loops = float(said.get("Actual Loops") or 0)
    if said.get("Node Type") not in _GATHERS or not loops:
        return processes
    return processes * max(float(below.get("Actual Loops") or 0) / loops, 1.0)


def _is_cut_short(said: Mapping[str, Any], below: Mapping[str, Any], cut_short: bool) -> bool:
    """Whether a node below may be stopped before it has given all its rows."""
    kind, join = said.get("Node Type"), said.get("Join Type")
    if kind in ("Limit", "Merge Join") or join in ("Semi", "Anti") or _is_for_nothing(said):
        return True
    if below.get("Parent Relationship") in ("SubPlan", "InitPlan"):
        return True
    return cut_short and kind not in _BLOCKING


def _is_for_nothing(said: Mapping[str, Any]) -> bool:
    """Whether a hash join had nothing to look up, and stopped reading its other side."""
    below: Sequence[Mapping[str, Any]] = said.get("Plans") or ()
    if said.get("Node Type") != "Hash Join" or len(below) < 2:
        return False
    return float(below[1].get("Actual Rows", 1)) == 0


def _kind_of(said: Mapping[str, Any]) -> str:
    """The node's kind as EXPLAIN's text has it."""
    kind = str(said.get("Node Type", ""))
    operation, strategy, join = said.get("Operation"), said.get("Strategy"), said.get("Join Type")
    if kind == "ModifyTable" and operation:
        kind = str(operation)
    elif kind == "Aggregate" and strategy in ("Hashed", "Sorted", "Mixed"):
        kind = {"Hashed": "HashAggregate", "Sorted": "GroupAggregate"}.get(
            strategy, "MixedAggregate"
        )
    elif join and join != "Inner":
        kind = f"{kind} {join}" if kind == "Nested Loop" else kind.replace("Join", f"{join} Join")
    if said.get("Scan Direction") == "Backward":
        kind = f"{kind} Backward"
    parallel = bool(said.get("Parallel Aware")) and kind not in _GATHERS
    partial = {"Partial": "Partial ", "Finalize": "Finalize "}.get(said.get("Partial Mode", ""), "")
    return f"{'Parallel ' if parallel else ''}{partial}{kind}"
