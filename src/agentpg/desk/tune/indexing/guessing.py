"""Values for the parameters of a statement, taken from rows that its tables have.

pg_stat_statements keeps no values. Those of one row are taken together, so that what belongs
together is found together; three times, from rows all over the table.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from agentpg.db import Connection, Fragment, Statements, array_literal, identifier, scalar_row
from agentpg.desk.tune.indexing.conditions import Condition
from agentpg.desk.tune.indexing.workload import Statement

_SQL = Statements("indexing", "")

_TRIES = 3

# A range that is open to one side mostly asks for the newest; one of two sides for a little.
_NEWEST, _OLDEST = 0.99, 0.01
_FROM, _TO = 0.50, 0.51

_LIMIT = re.compile(r"\blimit\s+\$(\d+)", re.IGNORECASE)
_OFFSET = re.compile(r"\boffset\s+\$(\d+)", re.IGNORECASE)
_PARAMETER = re.compile(r"\$(\d+)")


def values_for(connection: Connection[Any], statement: Statement) -> list[tuple[str, ...]]:
    """Up to three sets of values; none where a parameter is compared with nothing that is known,
    and one empty set where there are no parameters."""
    number = max(map(int, _PARAMETER.findall(statement.query)), default=0)
    if not number:
        return [()]
    found: list[dict[int, str]] = [_counted(statement) for _ in range(_TRIES)]
    by_table: dict[str, list[Condition]] = defaultdict(list)
    for asked in statement.asked:
        for one in asked.conditions:
            if one.parameter:
                by_table[asked.table].append(one)
    for name, conditions in by_table.items():
        table = statement.plan.tables[name].quoted
        _take_rows(connection, table, conditions, found)
        _take_ranges(connection, table, conditions, found)
    wanted = range(1, number + 1)
    sets = [tuple(one[n] for n in wanted) for one in found if all(n in one for n in wanted)]
    return list(dict.fromkeys(sets))


def _counted(statement: Statement) -> dict[int, str]:
    """How many rows are wanted: as many as came on the average."""
    mean = max(round(statement.rows / max(statement.calls, 1)), 1)
    said = {int(n): str(mean) for n in _LIMIT.findall(statement.query)}
    return said | {int(n): "0" for n in _OFFSET.findall(statement.query)}


def _take_rows(
    connection: Connection[Any],
    table: str,
    conditions: Sequence[Condition],
    found: list[dict[int, str]],
) -> None:
    equal = [one for one in conditions if one.kind in ("equal", "any")]
    if not equal:
        return
    names = [identifier(one.column) for one in equal]
    parts = {
        "table": Fragment(table),
        "columns": Fragment(", ".join(f"{name}::text" for name in names)),
        "present": Fragment(" AND ".join(f"{name} IS NOT NULL" for name in names)),
    }
    rows = connection.execute(_SQL.compose("some_rows", **parts), {}).fetchall()
    for known, row in zip(found, rows, strict=False):
        for one, value in zip(equal, row, strict=True):
            known[one.parameter] = array_literal([value]) if one.kind == "any" else str(value)


def _take_ranges(
    connection: Connection[Any],
    table: str,
    conditions: Sequence[Condition],
    found: list[dict[int, str]],
) -> None:
    ranges = [one for one in conditions if one.kind in ("below", "above")]
    for one in ranges:
        both = {other.kind for other in ranges if other.column == one.column} == {"below", "above"}
        above = _FROM if both else _NEWEST
        below = _TO if both else _OLDEST
        parts = {"table": Fragment(table), "column": Fragment(identifier(one.column))}
        cursor = connection.cursor(row_factory=scalar_row)
        value = cursor.execute(
            _SQL.compose("quantile", **parts), {"share": above if one.kind == "above" else below}
        ).fetchone()
        if value is not None:
            for known in found:
                known[one.parameter] = str(value)
