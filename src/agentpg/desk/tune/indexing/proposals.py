"""What is proposed: an index, for which statements, what it costs, and how far it is tried."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from agentpg.db import Composed, Fragment, Statements
from agentpg.desk.check import Unlooked
from agentpg.desk.doctor.indexes.facts import Facts, ForeignKey, Index, Server, Table
from agentpg.desk.doctor.indexes.findings_missing import bare_keys, index_name, name_for
from agentpg.desk.tune.indexing.candidates import Candidate, Column, Columns
from agentpg.desk.tune.indexing.workload import Statement

_SQL = Statements("indexing", "")

# What was found out: nothing yet; that the planner would take it, or not; that it is quicker by
# measurement, or not; that it could not be tried.
Outcome = Literal[
    "not tested", "would be used", "would not be used", "quicker", "no gain", "unknown"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What an index costs: how many others its table has, and how often it is written.

    `writes_per_second` counts rows since the statistics do. `hot_share` is the share of updates
    that write no index now; `hot_lost` are columns that updates change, which they would then.
    """

    indexes: int
    writes_per_second: float | None
    hot_share: float | None
    hot_lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What was measured on a copy: milliseconds of one run of all its statements by their calls.

    `share` of the tables' rows was copied. `insert_before_ms` and after are for 1,000 rows.
    """

    before_ms: float
    after_ms: float
    statements: int
    used_by: int
    size_bytes: int
    build_ms: float
    share: float
    insert_before_ms: float | None = None
    insert_after_ms: float | None = None

    @property
    def factor(self) -> float:
        """How many times quicker."""
        return self.before_ms / max(self.after_ms, 0.001)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An index that might be made. `name`, with its schema, and `table` are quoted.

    `columns` and `condition` are SQL. `foreign_key` is the one that it is for; empty for none.
    """

    schema: str
    name: str
    table: str
    columns: str
    column_names: tuple[str, ...]
    condition: str = ""
    statements: tuple[Statement, ...] = ()
    foreign_key: str = ""
    cost: Cost
    outcome: Outcome = "not tested"
    reason: str = ""
    trial: Trial | None = None

    @property
    def total_ms(self) -> float:
        """What its statements took in all."""
        return sum(one.total_ms for one in self.statements)

    @property
    def plain_name(self) -> str:
        """Its name as plans have it: without a schema and quotes."""
        name = self.name[len(self.schema) + 1 :]
        return name[1:-1].replace('""', '"') if name.startswith('"') else name

    def composed(self, statement: str = "create") -> Composed:
        """A statement about it, to be run: one that makes it takes its name without a schema."""
        makes = statement in ("create", "build")
        where = f"WHERE {self.condition}" if self.condition else ""
        return _SQL.compose(
            statement,
            index=Fragment(self.name[len(self.schema) + 1 :] if makes else self.name),
            table=Fragment(self.table),
            columns=Fragment(self.columns),
            condition=Fragment(where),
        )

    def sql(self, statement: str = "create") -> str:
        """The same as text."""
        text: str = self.composed(statement).as_string(None)
        return text.replace("%%", "%").splitlines()[-1].rstrip()

    def tried(self, outcome: Outcome, reason: str = "", trial: Trial | None = None) -> Proposal:
        """The same with what came of trying it."""
        return replace(self, outcome=outcome, reason=reason, trial=trial)


def propose(
    candidates: dict[Candidate, list[Statement]], columns: Columns, facts: Facts
) -> tuple[Proposal, ...]:
    """The candidates as proposals, then an index for each foreign key that has none."""
    taken = set() if isinstance(facts.indexes, Unlooked) else {one.name for one in facts.indexes}
    found = []
    for candidate, statements in candidates.items():
        proposal = _of_candidate(candidate, statements, columns, facts, taken)
        taken.add(proposal.name)
        found.append(proposal)
    keys = [key for key in bare_keys(facts) if not _is_partitioned(key, facts)]
    by_columns = {(key.table_name, tuple(key.column_names)): key for key in keys}
    for number, one in enumerate(found):
        served = by_columns.pop((one.table, one.column_names), None)
        if served is not None and not one.condition:
            found[number] = replace(one, foreign_key=served.name)
    return (*found, *(_of_key(key, facts) for key in by_columns.values()))


def _is_partitioned(key: ForeignKey, facts: Facts) -> bool:
    """Nothing is built concurrently on a table that has partitions."""
    table = facts.table(key.table_oid)
    return table is not None and table.is_partitioned


def _of_candidate(
    candidate: Candidate,
    statements: Sequence[Statement],
    columns: Columns,
    facts: Facts,
    taken: set[str],
) -> Proposal:
    known = [columns[candidate.table, name] for name in candidate.names]
    table = known[0].quoted_table
    parts = [
        f"{column.quoted_name} {way}".rstrip()
        for column, (_, way) in zip(known, candidate.parts, strict=True)
    ]
    quoted = tuple(one.quoted_name for one in known)
    return Proposal(
        schema=known[0].quoted_schema,
        name=_free(known[0], candidate, taken),
        table=table,
        columns=", ".join(parts),
        column_names=quoted,
        condition=candidate.condition,
        statements=tuple(sorted(statements, key=lambda one: -one.total_ms)),
        cost=_cost(table, facts),
    )


def _of_key(key: ForeignKey, facts: Facts) -> Proposal:
    return Proposal(
        schema=key.schema_name,
        name=name_for(key),
        table=key.table_name,
        columns=", ".join(key.column_names),
        column_names=tuple(key.column_names),
        foreign_key=key.name,
        cost=_cost(key.table_name, facts),
    )


def _free(column: Column, candidate: Candidate, taken: set[str]) -> str:
    """A name that no index of the schema has."""
    partial = "_part" if candidate.condition else ""
    for number in itertools.count(1):
        suffix = partial if number == 1 else f"{partial}_{number}"
        name = index_name(column.quoted_schema, column.bare_table, candidate.names, suffix)
        if name not in taken:
            return name
    raise AssertionError("numbers do not end")


def _cost(table: str, facts: Facts) -> Cost:
    indexes: tuple[Index, ...] = () if isinstance(facts.indexes, Unlooked) else facts.indexes
    tables: tuple[Table, ...] = () if isinstance(facts.tables, Unlooked) else facts.tables
    fact = next((one for one in tables if one.name == table), None)
    seconds = facts.server.window.total_seconds() if isinstance(facts.server, Server) else 0
    per_second = fact.writes / seconds if fact is not None and seconds > 0 else None
    hot = fact.updated_hot / fact.updated if fact is not None and fact.updated else None
    return Cost(
        indexes=sum(one.table_name == table for one in indexes),
        writes_per_second=per_second,
        hot_share=hot,
    )
