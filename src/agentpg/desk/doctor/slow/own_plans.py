"""What the planner of the live database makes of our own statements: asked, and nothing runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from agentpg.db import Statements, pin_plans, scalar_row
from agentpg.desk.doctor.slow.facts import Index, OwnPlan, OwnPlans
from agentpg.desk.monitor.reading import Reader
from agentpg.errors import PermissionDenied
from agentpg.schema.verification import present_schema

# What grows without end; the other tables have a handful of rows, and are read whole.
_LARGE = ("tasks", "agent_executions", "llm_requests")

_NOBODY = UUID(int=0)
_BATCH = 50

_INDEX = re.compile(r"^CREATE (UNIQUE )?INDEX (\w+) ON (\w+) (.*?);", re.MULTILINE | re.DOTALL)

# The keys, which schema.sql makes with their tables.
_KEYS = {
    "tasks_pkey": ("tasks", "id"),
    "agent_executions_pkey": ("agent_executions", "task_id, attempt"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Required:
    """A statement of the engine and the indexes by which it must find its rows.

    `part` is the CTE that must not sort; `bounded` where each scan of these indexes must have
    its bounds.
    """

    name: str
    file: str
    statement: str
    indexes: tuple[str, ...]
    values: Mapping[str, Any]
    part: str = ""
    bounded: bool = True


def _many(value: object) -> list[object]:
    return [value] * _BATCH


_FROM_THE_HEAD = {"priorities": [0, 100], "run_ats": ["-infinity"] * 2, "ids": [_NOBODY] * 2}
_HANDLERS = [f"Agent{number}\x1fwork" for number in range(20)]
_HELD = {"ids": _many(_NOBODY), "attempts": _many(1)}

_SETTLED = {
    **_HELD,
    "workers": _many(_NOBODY),
    "statuses": _many("completed"),
    "outcomes": _many("completed"),
    "results": _many("{}"),
    "error_messages": _many(None),
    "attempt_errors": _many(None),
    "seconds": _many(0.1),
    "delays": _many(0.0),
    "errors": _many(0),
    "crashes": _many(0),
    "max_attempts": _many(3),
    "suspects": _many(False),
}

# The statements of the hot path; tests/plans holds each of them to the same.
REQUIRED = (
    Required(
        name="claim",
        file="worker",
        statement="claim",
        indexes=("tasks_ready_idx",),
        values={
            "worker": _NOBODY,
            "batch": _BATCH,
            "handlers": _HANDLERS,
            "not_twice": [],
            **_FROM_THE_HEAD,
        },
        part="ready",
    ),
    Required(
        name="look",
        file="worker",
        statement="look",
        indexes=("tasks_ready_idx",),
        values={"handlers": _HANDLERS, "margin": timedelta(seconds=1)},
        bounded=False,
    ),
    Required(
        name="claim from lanes",
        file="lanes",
        statement="claim",
        indexes=("tasks_lane_idx",),
        values={
            "worker": _NOBODY,
            "not_twice": [],
            "lanes": ["Agent1\x1fwork\x1ft1\x1f"],
            "shares": [3],
            "rated_lanes": [],
            "rated_limits": [],
            "rated_values": [],
        },
        part="ready",
    ),
    Required(
        name="settle",
        file="worker",
        statement="settle",
        indexes=("tasks_pkey", "agent_executions_pkey"),
        values=_SETTLED,
    ),
    Required(
        name="complete",
        file="worker",
        statement="complete",
        indexes=("tasks_pkey", "agent_executions_pkey"),
        values={**_HELD, "worker": _NOBODY, "results": _many(None), "seconds": _many(0.1)},
    ),
    Required(
        name="heartbeat",
        file="worker",
        statement="check_held",
        indexes=("tasks_pkey",),
        values={**_HELD, "worker": _NOBODY},
    ),
    Required(
        name="rescue",
        file="upkeep",
        statement="put_back",
        indexes=("tasks_status_idx",),
        values={"losses_to_quarantine": 10},
    ),
    Required(
        name="calls given up",
        file="usage",
        statement="give_up_calls",
        indexes=("llm_requests_execution_idx",),
        values={**_HELD, "reason": ""},
    ),
)


@dataclass(frozen=True, slots=True)
class _Table:
    name: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The nodes of a plan, as EXPLAIN gives them."""

    nodes: tuple[Mapping[str, Any], ...]

    def used(self, *, bounded: bool) -> set[str]:
        """The indexes that are read; where they must be, those that are bounded."""
        scans = [node for node in self.nodes if "Index Name" in node]
        loose = {one["Index Name"] for one in scans if bounded and not one.get("Index Cond")}
        return {one["Index Name"] for one in scans} - loose

    def scanned(self) -> set[str]:
        """The tables that are read from end to end."""
        return {one["Relation Name"] for one in self.nodes if one["Node Type"] == "Seq Scan"}

    def sorts(self) -> bool:
        """Whether it sorts."""
        return any(one["Node Type"] in ("Sort", "Incremental Sort") for one in self.nodes)

    def part(self, name: str) -> Plan:
        """The part that makes one CTE; all of it where there is none of that name."""
        for node in self.nodes:
            if node.get("Subplan Name") == f"CTE {name}":
                return Plan(tuple(_walk(node)))
        return self


def read_own_plans(reader: Reader) -> OwnPlans:
    """Have our statements planned as the engine has them planned. Raises PermissionDenied for a
    role that may not run them, and SchemaMissing where they do not fit the schema."""
    sql = Statements("slow", reader.schema)
    of_ours = {"schema": reader.schema, "tables": list(_LARGE)}
    if refused := reader.rows(sql, "may_be_refused", _Table, **of_ours):
        raise PermissionDenied(f"permission denied for table {refused[0].name}")
    indexes = reader.rows(sql, "read_indexes", Index, **of_ours)
    keys = {f"{one.table}_pkey": one.name for one in indexes if one.is_key}
    return OwnPlans(
        schema=reader.schema,
        plans=tuple(_own_plan(reader, sql, one, keys) for one in REQUIRED),
        indexes=tuple(indexes),
        made_by=definitions(reader.schema),
    )


def definitions(schema: str) -> dict[str, str]:
    """How each index of this release is made on tables that are in use, by its name."""
    made = {
        name: f"CREATE {unique}INDEX CONCURRENTLY {name} ON {schema}.{table} {' '.join(of.split())}"
        for unique, name, table, of in _INDEX.findall(present_schema())
    }
    keys = {
        name: f"ALTER TABLE {schema}.{table} ADD PRIMARY KEY ({columns})"
        for name, (table, columns) in _KEYS.items()
    }
    return made | keys


def _own_plan(
    reader: Reader, sql: Statements, required: Required, keys: Mapping[str, str]
) -> OwnPlan:
    plan = _planned(reader, sql, required)
    wanted = tuple(keys.get(name, name) for name in required.indexes)
    return OwnPlan(
        name=required.name,
        wanted=wanted,
        used=tuple(sorted(plan.used(bounded=required.bounded))),
        scanned=tuple(sorted(plan.scanned() & set(_LARGE))),
        sorts=bool(required.part) and plan.part(required.part).sorts(),
    )


def _planned(reader: Reader, sql: Statements, required: Required) -> Plan:
    statement = Statements(required.file, reader.schema)[required.statement]
    asked = sql.compose("plan_of", statement=statement)
    with reader.question() as connection:
        connection.execute(pin_plans(reader.schema, "transaction"))
        cursor = connection.cursor(row_factory=scalar_row)
        # Planned for these values, and not for any: nothing is kept of it.
        [answer] = cursor.execute(asked, required.values, prepare=False).fetchall()
    return Plan(tuple(_walk(answer[0]["Plan"])))


def _walk(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    below: Sequence[Mapping[str, Any]] = node.get("Plans", ())
    for child in below:
        yield from _walk(child)
