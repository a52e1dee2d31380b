"""Indexes that might serve what plans ask: up to three columns, those that are compared first.

Columns that are equal to a value come first, the one with most different values leading, since
any number of conditions can use them; then one range, or the order in which rows are wanted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agentpg.desk.doctor.indexes.facts import Index
from agentpg.desk.tune.indexing.conditions import Asked, Condition
from agentpg.desk.tune.indexing.workload import Statement

MOST_COLUMNS = 3

# A smaller table is read as a whole in a moment.
_LARGE = 10_000
# An entry may take a third of a page; and wide ones make no good index.
_WIDEST = 500
# A condition that half of the rows meet makes no index smaller.
_PARTIAL_SHARE = 0.5

_EQUAL = ("equal", "any")
_RANGES = ("below", "above")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column with what the statistics know: how many `values`, and what share is NULL."""

    table_name: str
    name: str
    number: int
    quoted_schema: str
    bare_table: str
    quoted_table: str
    quoted_name: str
    values: float
    null_share: float
    width: int
    is_sortable: bool


Columns = Mapping[tuple[str, str], Column]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An index that might be: the table, and each column with its direction.

    `condition` is that of a partial one, as SQL; empty for none.
    """

    table: str
    parts: tuple[tuple[str, str], ...]
    condition: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Its columns."""
        return tuple(name for name, _ in self.parts)

    def begins(self, other: Candidate) -> bool:
        """Whether the other one has all of it at its beginning."""
        return (
            self.table == other.table
            and self.condition == other.condition
            and len(self.parts) < len(other.parts)
            and other.parts[: len(self.parts)] == self.parts
        )


def candidates_of(
    statements: Sequence[Statement], columns: Columns, indexes: Sequence[Index]
) -> dict[Candidate, list[Statement]]:
    """Each candidate with the statements that it might serve, those with most time first."""
    found: dict[Candidate, list[Statement]] = defaultdict(list)
    for one in statements:
        for candidate in dict.fromkeys(_of_statement(one, columns)):
            if not _is_there(candidate, columns, indexes):
                found[candidate].append(one)
    for short in list(found):
        for longer in [one for one in found if short.begins(one)]:
            # The longer one serves both; which is worth it is seen when they are tried.
            found[longer] += [one for one in found[short] if one not in found[longer]]
    # Of those for the same statements the longer one is tried first.
    order = sorted(found.items(), key=lambda one: (-_weight(one[1]), -len(one[0].parts)))
    return dict(order)


def _weight(statements: Sequence[Statement]) -> float:
    return sum(one.total_ms for one in statements)


def _of_statement(statement: Statement, columns: Columns) -> Iterator[Candidate]:
    for asked in statement.asked:
        fact = statement.plan.tables.get(asked.table)
        if fact is not None and fact.rows >= _LARGE and (asked.scanned or asked.order):
            yield from _of_table(asked, columns)


def _of_table(asked: Asked, columns: Columns) -> Iterator[Candidate]:
    def usable(names: Sequence[str]) -> list[str]:
        return [name for name in dict.fromkeys(names) if _fits(columns.get((asked.table, name)))]

    condition, partial = _partial(asked, columns)
    equal = usable([c.column for c in asked.conditions if c.kind in _EQUAL])
    equal.sort(key=lambda name: -columns[asked.table, name].values)
    ranges = usable([c.column for c in asked.conditions if c.kind in _RANGES])
    joins = usable([c.column for c in asked.joins])
    order = [(name, way) for name, way in asked.order if usable([name]) and name not in equal]
    for parts in (
        [*_plain(equal), *_plain(ranges[:1])],
        [*_plain(equal), *_ways(order)],
        *([*_plain([join]), *_plain([e for e in equal if e != join])] for join in joins),
    ):
        chosen = tuple(dict.fromkeys(parts))[:MOST_COLUMNS]
        chosen = tuple(part for part in chosen if part[0] not in partial)
        if chosen:
            yield Candidate(asked.table, chosen, condition)


def _plain(names: Sequence[str]) -> list[tuple[str, str]]:
    return [(name, "") for name in names]


def _ways(order: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """An order as an index has it: backwards it is read as well, so that one way needs no word."""
    if len({way for _, way in order}) == 1 and order[0][1] in ("", "DESC"):
        return [(name, "") for name, _ in order]
    return list(order)


def _fits(column: Column | None) -> bool:
    return column is not None and column.is_sortable and column.width <= _WIDEST


def _partial(asked: Asked, columns: Columns) -> tuple[str, frozenset[str]]:
    """The condition of a partial index, where the statements say one that few rows meet."""
    said = [
        text
        for one in asked.conditions
        if (text := _fixed(one, columns.get((asked.table, one.column))))
    ]
    used = {one.column for one in asked.conditions if one.kind in ("null", "true", "false")}
    return " AND ".join(dict.fromkeys(said)), frozenset(used if said else ())


def _fixed(condition: Condition, column: Column | None) -> str:
    if column is None:
        return ""
    name, nulls = column.quoted_name, column.null_share
    if condition.kind == "null" and nulls < _PARTIAL_SHARE:
        return f"{name} IS NULL"
    if condition.kind == "not null" and nulls > 1 - _PARTIAL_SHARE:
        return f"{name} IS NOT NULL"
    if condition.kind in ("true", "false"):
        return name if condition.kind == "true" else f"NOT {name}"
    return ""


def _is_there(candidate: Candidate, columns: Columns, indexes: Sequence[Index]) -> bool:
    """Whether a valid index begins with the same columns."""
    known = [columns[candidate.table, name] for name in candidate.names]
    numbers = tuple(one.number for one in known)
    return any(
        one.table_name == known[0].quoted_table
        and one.is_valid
        and one.method == "btree"
        and not one.predicate
        and one.columns[: len(numbers)] == numbers
        and len(numbers) <= one.keys
        for one in indexes
    )
