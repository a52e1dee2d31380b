"""How a plan is shown: a tree with times, rows and the codes of findings, and the findings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agentpg.cli import figures
from agentpg.cli.doctor_view import show_finding
from agentpg.cli.output import Column, Output
from agentpg.desk.redacting import redact
from agentpg.desk.tune.plans.saying import number_of
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.finding import Finding
    from agentpg.desk.tune.plans.tree import Node, Plan

# What is shown of a node below it, in this order; all of it is in the JSON.
_TOLD = (
    "Index Cond",
    "Recheck Cond",
    "Hash Cond",
    "Merge Cond",
    "Join Filter",
    "Filter",
    "Sort Key",
    "Group Key",
)

# Deeper, a tree that is drawn has no room for what it says.
_DEEPEST = 12
_LONGEST = 200


def show(out: Output, plan: Plan, findings: Sequence[Finding]) -> None:
    """The tree, what all of it took, and the findings."""
    codes = _codes(findings)
    nodes = list(plan.root)
    columns, rows = _timed(plan, nodes, codes) if plan.analyzed else _planned(nodes, codes)
    out.table(columns, rows, below=[_below(node) for node in nodes])
    out.line()
    out.facts(_facts(plan))
    for finding in findings:
        out.line()
        show_finding(out, finding)
    if not findings:
        out.line()
        out.line(out.translate(_nothing(plan)))


def document(plan: Plan, findings: Sequence[Finding]) -> dict[str, object]:
    """The same as JSON has it; `plan` is the tree as the server says it, with our figures."""
    codes = _codes(findings)
    return {
        "statement": redact(plan.statement.strip()),
        "analyzed": plan.analyzed,
        "generic": plan.generic,
        "planning_ms": plan.planning_ms,
        "execution_ms": plan.execution_ms,
        "jit_ms": plan.jit_ms,
        "settings": plan.settings,
        "nodes": [_node(plan, node, codes) for node in plan.root],
        "findings": [finding.document() for finding in findings],
    }


def _codes(findings: Sequence[Finding]) -> Mapping[int, str]:
    found: dict[int, list[str]] = defaultdict(list)
    for finding in findings:
        if number_of(finding):
            found[number_of(finding)].append(finding.code)
    return {number: " ".join(dict.fromkeys(codes)) for number, codes in found.items()}


def _timed(
    plan: Plan, nodes: Sequence[Node], codes: Mapping[int, str]
) -> tuple[tuple[Column, ...], list[tuple[object, ...]]]:
    columns = (
        Column("#", right=True),
        Column(N_("Own ms"), right=True),
        Column("%", right=True),
        Column(N_("Rows"), right=True),
        Column(N_("Planned"), right=True),
        Column(N_("Node"), yields=1),
    )
    rows: list[tuple[object, ...]] = [
        (
            node.number,
            _milliseconds(node.own_ms) if node.ran else figures.UNKNOWN,
            f"{plan.share(node) * 100:.0f}" if node.ran else figures.UNKNOWN,
            _short(node.total_rows) if node.ran else figures.UNKNOWN,
            _short(node.planned_rows * max(node.loops, 1)),
            _drawn(node, codes),
        )
        for node in nodes
    ]
    return columns, rows


def _planned(
    nodes: Sequence[Node], codes: Mapping[int, str]
) -> tuple[tuple[Column, ...], list[tuple[object, ...]]]:
    columns = (
        Column("#", right=True),
        Column(N_("Cost"), right=True),
        Column(N_("Planned"), right=True),
        Column(N_("Node"), yields=1),
    )
    rows: list[tuple[object, ...]] = [
        (node.number, _short(node.cost), _short(node.planned_rows), _drawn(node, codes))
        for node in nodes
    ]
    return columns, rows


def _drawn(node: Node, codes: Mapping[int, str]) -> str:
    """The node at its depth, behind the codes of what is said of it."""
    depth = min(node.depth, _DEEPEST)
    begin = f"{'  ' * (depth - 1)}└ " if depth else ""
    found = f"[{codes[node.number]}] " if node.number in codes else ""
    return f"{begin}{found}{node.label}"


def _below(node: Node) -> str:
    said = "; ".join(_told(node))
    # Indented a little as its node is; what is too long is in the JSON.
    return f"{'  ' * min(node.depth, _DEEPEST)}{said[:_LONGEST]}" if said else ""


def _told(node: Node) -> Iterator[str]:
    for key in _TOLD:
        value = node.said.get(key)
        if value:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            yield f"{key}: {redact(text)}"


def _facts(plan: Plan) -> Iterator[tuple[str, object]]:
    if plan.planning_ms is not None:
        yield N_("planning"), f"{_milliseconds(plan.planning_ms)} ms"
    if plan.execution_ms is not None:
        yield N_("execution"), f"{_milliseconds(plan.execution_ms)} ms"
    if plan.jit_ms:
        yield N_("of it compiling"), f"{_milliseconds(plan.jit_ms)} ms"
    yield N_("ran"), plan.analyzed
    if plan.generic:
        yield N_("for any parameters"), True
    # The search_path is nearly always set, and has found all names.
    said = [f"{n} = {v}" for n, v in sorted(plan.settings.items()) if n != "search_path"]
    if said:
        yield N_("settings"), ", ".join(said)


def _nothing(plan: Plan) -> str:
    if plan.analyzed:
        return N_("Nothing is wrong with this plan.")
    return N_("Nothing is seen by the planner's figures alone; --analyze runs it and measures.")


def _node(plan: Plan, node: Node, codes: Mapping[int, str]) -> dict[str, object]:
    return {
        "number": node.number,
        "depth": node.depth,
        "label": node.label,
        "planned_rows": node.planned_rows,
        "rows": node.rows,
        "loops": node.loops,
        "time_ms": node.time_ms,
        "own_ms": node.own_ms,
        "share": plan.share(node) if plan.analyzed else None,
        "findings": codes.get(node.number, "").split(),
        "said": _redacted(node.said),
    }


def _redacted(value: Any) -> Any:
    """All texts of it without secrets."""
    match value:
        case str():
            return redact(value)
        case Mapping():
            return {key: _redacted(one) for key, one in value.items()}
        case list() | tuple():
            return [_redacted(one) for one in value]
    return value


def _milliseconds(value: float | None) -> str:
    """With three digits that count, or whole: 0.12, 1.5, 15.2, 1,234."""
    if value is None:
        return figures.UNKNOWN
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _short(value: float) -> str:
    """A number in up to six columns: 950, 12,345, 1.2M."""
    for unit, size in (("G", 1e9), ("M", 1e6)):
        if value >= size:
            return f"{value / size:.1f}{unit}"
    return f"{value:,.0f}"
