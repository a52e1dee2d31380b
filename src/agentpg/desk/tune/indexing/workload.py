"""What runs in a database, by pg_stat_statements, with its plans for any parameters.

Only statements of the role that looks are planned: planning one may call functions of its role.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from agentpg.db import Connection, ServerError, Statements, class_row, server_message
from agentpg.desk.check import Unlooked
from agentpg.desk.extensions import schema_of
from agentpg.desk.tune.indexing.conditions import Asked, asked_of_tables
from agentpg.desk.tune.plans.reading import Question, plan_on
from agentpg.desk.tune.plans.tree import Plan
from agentpg.errors import AgentpgError
from agentpg.language import N_

_SQL = Statements("indexing", "")

_NOT_THERE = Unlooked(N_("pg_stat_statements, which says what runs, is not in this database"))

# Planning one statement takes longer than this only where something is wrong.
_PATIENCE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement with how often it ran and what that took, its plan, and what it asks."""

    query_id: int
    query: str
    calls: int
    total_ms: float
    rows: int
    plan: Plan
    asked: tuple[Asked, ...]

    @property
    def mean_ms(self) -> float:
        """What one run took."""
        return self.total_ms / max(self.calls, 1)

    @property
    def tables(self) -> frozenset[str]:
        """The tables that its plan names, with their schemas."""
        return frozenset(self.plan.tables)

    @property
    def quoted_tables(self) -> frozenset[str]:
        """The same as SQL has them."""
        return frozenset(one.quoted for one in self.plan.tables.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """All that runs: `unplanned` have no plan, such as with other search_paths; `others` are
    those of other roles; `all` counts every one that is kept."""

    statements: tuple[Statement, ...] = ()
    unplanned: int = 0
    others: int = 0
    all: int = 0


@dataclass(frozen=True, slots=True)
class _Row:
    query_id: int
    query: str
    calls: int
    total_ms: float
    rows: int


def read_workload(connection: Connection[Any], most: int) -> Workload | Unlooked:
    """The statements that took most time, with their plans; or why they can't be had."""
    extension = schema_of(connection, "pg_stat_statements")
    if extension is None:
        return _NOT_THERE
    try:
        cursor = connection.cursor(row_factory=class_row(_Row))
        rows = cursor.execute(
            _SQL.compose("read_workload", extension=extension), {"most": most}
        ).fetchall()
        counted = connection.execute(
            _SQL.compose("count_workload", extension=extension), {}
        ).fetchone()
    except ServerError as error:
        return Unlooked(server_message(error))
    planned = [one for row in rows if (one := _planned(connection, row)) is not None]
    everything, others = counted or (0, 0)
    return Workload(
        statements=tuple(planned),
        unplanned=len(rows) - len(planned),
        others=others,
        all=everything,
    )


def _planned(connection: Connection[Any], row: _Row) -> Statement | None:
    try:
        plan = plan_on(connection, Question(statement=row.query, timeout=_PATIENCE))
    except AgentpgError:
        return None
    return Statement(
        query_id=row.query_id,
        query=row.query,
        calls=row.calls,
        total_ms=row.total_ms,
        rows=row.rows,
        plan=plan,
        asked=asked_of_tables(plan),
    )
