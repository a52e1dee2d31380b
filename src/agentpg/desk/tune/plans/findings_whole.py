"""What a plan as a whole does: compiling, planning, workers, partitions, settings."""

from __future__ import annotations

from agentpg.desk.check import Say
from agentpg.desk.finding import Remedy
from agentpg.desk.tune.plans.saying import PlanCheck, Said, percent
from agentpg.desk.tune.plans.tree import Node, Plan
from agentpg.language import N_

_JIT_SHARE = 0.2
_JIT_MS = 10
_PLANNING_MS = 10
_TRAP = 10
_PARTITIONS = 3

_APPENDS = ("Append", "Merge Append")


def _jit(say: Say, plan: Plan) -> Said:
    share = plan.jit_ms / plan.whole_ms if plan.whole_ms else 0.0
    if share <= _JIT_SHARE or plan.jit_ms < _JIT_MS:
        return
    yield say(
        "warning",
        N_("compiling takes {share} % of the time: {milliseconds} ms"),
        "",
        (
            Remedy(
                sentence=N_("Compile for costlier statements only; or not at all, by jit = off."),
                sql="ALTER SYSTEM SET jit_above_cost = 1000000; SELECT pg_reload_conf()",
                risk="careful",
            ),
        ),
        share=percent(share),
        milliseconds=round(plan.jit_ms),
    )


def _planning(say: Say, plan: Plan) -> Said:
    planning, execution = plan.planning_ms or 0, plan.execution_ms
    if execution is None or planning < _PLANNING_MS or planning <= execution:
        return
    yield say(
        "info",
        N_("planning takes {planning} ms, and running {execution} ms"),
        "",
        (
            Remedy(
                sentence=N_("Prepare the statement, so that it is planned once for many runs."),
            ),
            Remedy(sentence=N_("Many partitions and many indexes make planning slow.")),
        ),
        planning=round(planning),
        execution=round(execution),
    )


def _workers(say: Say, plan: Plan) -> Said:
    for node in plan.root:
        planned = int(node.said.get("Workers Planned") or 0)
        if not node.ran or "Workers Launched" not in node.said:
            continue
        launched = int(node.said["Workers Launched"])
        if launched >= planned:
            continue
        yield say(
            "warning",
            N_("{subject} got {launched} of {planned:,} workers"),
            node.label,
            (
                Remedy(
                    sentence=N_(
                        "Look whether others took them; else raise max_parallel_workers, and "
                        "max_worker_processes with a restart."
                    ),
                    risk="careful",
                ),
            ),
            node=node.number,
            launched=launched,
            planned=planned,
        )


def _partitions(say: Say, plan: Plan) -> Said:
    for node in plan.root:
        if node.kind not in _APPENDS or node.said.get("Subplans Removed"):
            continue
        parts = [one for one in node.children if _partition_of(one, plan)]
        empty = [one for one in parts if one.ran and not one.total_rows]
        if len(parts) < _PARTITIONS or len(empty) * 2 < len(parts):
            continue
        yield say(
            "info",
            N_("{subject} looks into {parts} partitions, and finds nothing in {empty}"),
            node.label,
            (
                Remedy(
                    sentence=N_(
                        "Compare the column of the partitions itself with a value: no function "
                        "around it, and no value of another type."
                    ),
                ),
            ),
            node=node.number,
            parts=len(parts),
            empty=len(empty),
        )


def _partition_of(node: Node, plan: Plan) -> bool:
    facts = (plan.tables.get(one.relation) for one in node if one.relation)
    return any(fact is not None and fact.partitioned for fact in facts)


def _trap(say: Say, plan: Plan) -> Said:
    custom, generic = plan.custom_cost, plan.generic_cost
    if not custom or generic is None or generic < _TRAP * custom:
        return
    yield say(
        "warning",
        N_("planned for any parameters it is {factor} times as costly as for these"),
        "",
        (
            Remedy(
                sentence=N_("Let its sessions plan it for its parameters each time."),
                sql="SET plan_cache_mode = 'force_custom_plan'",
            ),
        ),
        factor=round(generic / custom),
        custom_cost=round(custom),
        generic_cost=round(generic),
    )


def _settings(say: Say, plan: Plan) -> Said:
    off = [n for n, v in plan.settings.items() if n.startswith("enable_") and v == "off"]
    for name in sorted(off):
        yield say(
            "warning",
            N_("the setting {subject} is off: the planner may not do what may be best"),
            name,
            (
                Remedy(
                    sentence=N_("Find out who set it and why; then leave it to the planner."),
                    sql=f"RESET {name}",
                    risk="careful",
                ),
            ),
        )


WHOLE_CHECKS = (
    PlanCheck(
        code="P09",
        title=N_("Time that compiling takes"),
        levels=("warning",),
        threshold=N_("> 20 % of the time, and 10 ms"),
        contact="dba",
        cause=N_("the costs are estimated too high, or jit_above_cost is too low"),
        proof=N_("explained anew, there is no JIT, or it takes little."),
        idea="a higher `jit_above_cost`, or `jit = off`.",
        decide=_jit,
    ),
    PlanCheck(
        code="P10",
        title=N_("Time that planning takes"),
        levels=("info",),
        threshold=N_("> execution, and 10 ms"),
        contact="dba",
        cause=N_("the statement joins many tables, or these have many partitions or indexes"),
        proof=N_("explained anew, planning takes less than running."),
        idea="prepared statements, fewer partitions, fewer indexes.",
        decide=_planning,
    ),
    PlanCheck(
        code="P11",
        title=N_("Workers that were not to be had"),
        levels=("warning",),
        threshold=N_("fewer launched than planned"),
        contact="dba",
        cause=N_("other statements had taken all workers of the server"),
        proof=N_("explained anew, as many workers run as were planned."),
        idea="a higher `max_parallel_workers`, where there are processors for them.",
        decide=_workers,
    ),
    PlanCheck(
        code="P14",
        title=N_("Partitions that were read for nothing"),
        levels=("info",),
        threshold=N_(">= 3 partitions, and half of them empty"),
        contact="dba",
        cause=N_("no condition on the column of the partitions can be told before running"),
        proof=N_("explained anew, there are fewer partitions, or Subplans Removed."),
        idea="a condition on the partitioning column itself.",
        decide=_partitions,
    ),
    PlanCheck(
        code="P15",
        title=N_("The plan of a prepared statement"),
        levels=("warning",),
        threshold=N_(">= 10 times the cost of the plan for these parameters"),
        contact="dba",
        cause=N_("some values are far more frequent than others"),
        proof=N_("the sessions show plan_cache_mode as force_custom_plan."),
        idea="`plan_cache_mode = force_custom_plan` for these sessions.",
        decide=_trap,
    ),
    PlanCheck(
        code="P18",
        title=N_("Settings that forbid plans"),
        levels=("warning",),
        threshold=N_("any enable_… that is off where its default is on"),
        contact="dba",
        cause=N_("somebody tried something and left it so"),
        proof=N_("explained anew, Settings does not name it."),
        idea="leave the choice to the planner.",
        decide=_settings,
    ),
)
