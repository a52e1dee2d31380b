"""What plans read for nothing, and what the planner took for other than it is."""

from __future__ import annotations

from agentpg.desk.check import Say
from agentpg.desk.finding import Remedy
from agentpg.desk.tune.plans.saying import PlanCheck, Said, percent, table_of
from agentpg.desk.tune.plans.tree import Node, Plan
from agentpg.language import N_

# Below this many rows nothing of it is felt.
_FEW = 1000
_LARGE = 10_000

_FACTOR_WARNING, _FACTOR_CRITICAL = 10, 100
_DISCARDED = 0.9
_OF_TIME = 0.5
_INNER_LOOPS = 1000
_SUBPLAN_LOOPS = 100

# They count nothing, or what is below them.
_UNCOUNTED = ("BitmapAnd", "BitmapOr", "ModifyTable", "Hash", "Bitmap Index Scan", "Materialize")


def _factor(node: Node) -> float:
    """How many times more, or less, came than was planned; 1 where that says nothing."""
    if not node.ran or node.kind in _UNCOUNTED or node.rows is None:
        return 1.0
    if node.cut_short and node.rows < node.planned_rows:
        return 1.0
    more, less = max(node.rows, node.planned_rows), min(node.rows, node.planned_rows)
    if more * node.loops < _FEW:
        return 1.0
    return more / max(less, 1.0)


def _misestimates(say: Say, plan: Plan) -> Said:
    for node in plan.root:
        factor = _factor(node)
        # The deepest one is the cause of those above.
        deeper = any(_factor(one) >= _FACTOR_WARNING for one in node if one is not node)
        if factor < _FACTOR_WARNING or deeper:
            continue
        yield say(
            "critical" if factor >= _FACTOR_CRITICAL else "warning",
            N_("{subject}: {rows:,} rows came, and {planned:,} were planned: {factor} times off"),
            node.label,
            _statistics_remedies(plan, node),
            node=node.number,
            rows=round(node.rows or 0),
            planned=round(node.planned_rows),
            factor=round(factor),
        )


def _statistics_remedies(plan: Plan, node: Node) -> tuple[Remedy, ...]:
    table = table_of(plan, node)
    return (
        Remedy(
            sentence=N_("Count the rows anew."),
            sql=f"ANALYZE {table}" if table else "",
        ),
        Remedy(
            sentence=N_(
                "Where conditions on several columns go together, let the planner know it: CREATE "
                "STATISTICS on them, and ANALYZE."
            ),
        ),
    )


def _scans(say: Say, plan: Plan) -> Said:
    for node in plan.root:
        if node.kind != "Seq Scan" or "Filter" not in node.said:
            continue
        if plan.analyzed:
            yield from _scan_that_ran(say, plan, node)
        else:
            yield from _scan_by_estimate(say, plan, node)


def _scan_that_ran(say: Say, plan: Plan, node: Node) -> Said:
    removed = node.total("Rows Removed by Filter")
    read = removed + node.total_rows
    if read < _LARGE or removed / read <= _DISCARDED:
        return
    share = plan.share(node)
    yield say(
        "warning" if share > _OF_TIME else "info",
        N_("{subject} reads {read:,} rows, discards {percent} %, and takes {share} % of the time"),
        node.label,
        _INDEX,
        node=node.number,
        read=round(read),
        percent=percent(removed / read),
        share=percent(share),
    )


def _scan_by_estimate(say: Say, plan: Plan, node: Node) -> Said:
    fact = plan.tables.get(node.relation)
    if fact is None or fact.rows < _LARGE:
        return
    kept = node.planned_rows / fact.rows
    if 1 - kept <= _DISCARDED:
        return
    yield say(
        "info",
        N_("{subject} would read {read:,} rows and discard {percent} %, by the planner's figures"),
        node.label,
        _INDEX,
        node=node.number,
        read=round(fact.rows),
        percent=percent(1 - kept),
    )


_INDEX = (
    Remedy(
        sentence=N_("See what index would serve the whole workload, and have it tried."),
        command="agentpg tune indexes --try",
    ),
)


def _join_filters(say: Say, plan: Plan) -> Said:
    for node in plan.root:
        removed = node.total("Rows Removed by Join Filter")
        if removed < _LARGE or removed / (removed + node.total_rows) <= _DISCARDED:
            continue
        yield say(
            "warning" if plan.share(node) > 0.1 else "info",
            N_("{subject} puts {rows:,} pairs of rows together that do not match"),
            node.label,
            (
                Remedy(
                    sentence=N_(
                        "Join by columns that are equal, and index those of the inner side."
                    ),
                    command="agentpg tune indexes",
                ),
            ),
            node=node.number,
            rows=round(removed),
        )


def _loops(say: Say, plan: Plan) -> Said:
    for node in plan.root:
        if node.kind != "Nested Loop" or len(node.children) < 2:
            continue
        outer, inner = node.children[0], node.children[1]
        off = max((_factor(one) for one in outer), default=1.0)
        if not inner.ran or inner.loops <= _INNER_LOOPS or off < _FACTOR_WARNING:
            continue
        if (outer.rows or 0) <= outer.planned_rows:
            continue
        yield say(
            "warning",
            N_("{subject} runs its inner side {loops:,} times, and {planned:,} were planned"),
            node.label,
            _statistics_remedies(plan, outer),
            node=node.number,
            loops=inner.loops,
            planned=round(outer.planned_rows),
        )


def _subplans(say: Say, plan: Plan) -> Said:
    for node in plan.root:
        if node.said.get("Parent Relationship") != "SubPlan" or node.loops <= _SUBPLAN_LOOPS:
            continue
        share = (node.time_ms or 0) / plan.whole_ms if plan.whole_ms else 0.0
        yield say(
            "warning" if share > 0.1 else "info",
            N_("{subject} runs {loops:,} times, once for each row; it takes {share} % of the time"),
            node.label,
            (
                Remedy(sentence=N_("Write the subquery as a join, or as a LATERAL of few rows.")),
                Remedy(
                    sentence=N_("Index the columns by which it looks up its rows."),
                    command="agentpg tune indexes",
                ),
            ),
            node=node.number,
            loops=node.loops,
            share=percent(share),
        )


def _limits(say: Say, plan: Plan) -> Said:
    """A few rows are wanted, and all are sorted for them."""
    for node in plan.root:
        if node.kind != "Limit" or not node.children or "Sort" not in node.children[0].kind:
            continue
        sort = node.children[0]
        came = sum(one.total_rows for one in sort.children) if plan.analyzed else 0.0
        wanted = node.total_rows if plan.analyzed else 0.0
        if came < _LARGE or wanted * 100 > came or sort.kind != "Sort":
            continue
        yield say(
            "info",
            N_("{subject}: {rows:,} rows are sorted, and {wanted:,} of them are wanted"),
            sort.label,
            (
                Remedy(
                    sentence=N_(
                        "An index in the order that is wanted gives the first rows at once."
                    ),
                    command="agentpg tune indexes --try",
                ),
            ),
            node=sort.number,
            rows=round(came),
            wanted=round(wanted),
        )


ROW_CHECKS = (
    PlanCheck(
        code="P01",
        title=N_("Rows that were estimated wrongly"),
        levels=("warning", "critical"),
        threshold=N_(">= 10 times / >= 100 times, from 1,000 rows on, at the deepest node"),
        contact="dba",
        cause=N_("the statistics are old, or conditions on several columns go together"),
        proof=N_("explained anew, planned and real rows are near each other."),
        idea="`ANALYZE` the table, then extended statistics; a wrong estimate chooses wrong joins.",
        decide=_misestimates,
    ),
    PlanCheck(
        code="P02",
        title=N_("Sequential scans that discard nearly all"),
        levels=("info", "warning"),
        threshold=N_("> 90 % of 10,000 rows discarded; warning from 50 % of the time on"),
        contact="dba",
        cause=N_("no index fits the condition"),
        proof=N_("explained anew, the table is read by an index."),
        idea="`agentpg tune indexes` looks at the whole workload before one is made.",
        decide=_scans,
    ),
    PlanCheck(
        code="P03",
        title=N_("Pairs of rows that a join discards"),
        levels=("info", "warning"),
        threshold=N_("> 90 % of 10,000 pairs; warning from 10 % of the time on"),
        contact="dba",
        cause=N_("the join's condition is no equality, or no index fits it"),
        proof=N_("explained anew, the join has no Rows Removed by Join Filter."),
        idea="join by columns that are equal, and index those of the inner side.",
        decide=_join_filters,
    ),
    PlanCheck(
        code="P07",
        title=N_("Nested loops that were planned for few rows"),
        levels=("warning",),
        threshold=N_("> 1,000 loops where the outer side was planned 10 times too small"),
        contact="dba",
        cause=N_("the outer side was estimated wrongly, so that a loop seemed cheap"),
        proof=N_("explained anew, it is a hash or merge join, or loops rarely."),
        idea="mend the estimate of the outer side first.",
        decide=_loops,
    ),
    PlanCheck(
        code="P08",
        title=N_("Subqueries that run for each row"),
        levels=("info", "warning"),
        threshold=N_("> 100 times; warning from 10 % of the time on"),
        contact="dba",
        cause=N_("the subquery names columns of the query around it"),
        proof=N_("explained anew, no SubPlan runs as often."),
        idea="write it as a join.",
        decide=_subplans,
    ),
    PlanCheck(
        code="P17",
        title=N_("All rows sorted for the first few"),
        levels=("info",),
        threshold=N_("10,000 rows sorted, and less than 1 % of them wanted"),
        contact="dba",
        cause=N_("no index has the order that is wanted"),
        proof=N_("explained anew, there is no Sort below the Limit."),
        idea="an index in that order.",
        decide=_limits,
    ),
)
