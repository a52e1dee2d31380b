"""Which columns the workload changes: an index on one makes those updates write every index."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from agentpg.desk.tune.indexing.proposals import Proposal
from agentpg.desk.tune.indexing.workload import Statement

_UPDATE = re.compile(
    r"\bupdate\b.*?\bset\b(.*?)(?:\bwhere\b|\bfrom\b|\breturning\b|$)", re.IGNORECASE | re.DOTALL
)
_ASSIGNED = re.compile(r"(?:^|,|\()\s*\"?(\w+)\"?\s*(?==|,|\))")


def changed_columns(statements: Sequence[Statement]) -> dict[str, frozenset[str]]:
    """The columns that updates set, by their table, as far as their text says it."""
    found: dict[str, set[str]] = defaultdict(set)
    for one in statements:
        for node in one.plan.root:
            if node.kind != "ModifyTable" or node.said.get("Operation") != "Update":
                continue
            for said in _UPDATE.findall(one.query):
                found[node.relation] |= {name.lower() for name in _ASSIGNED.findall(said)}
    return {table: frozenset(names) for table, names in found.items()}


def with_hot_lost(
    proposals: Sequence[Proposal], changed: dict[str, frozenset[str]]
) -> tuple[Proposal, ...]:
    """The proposals with the columns whose updates would be HOT no more."""

    def weighed(one: Proposal) -> Proposal:
        names = changed.get(one.table.replace('"', ""), frozenset())
        lost = tuple(name for name in one.column_names if name.strip('"').lower() in names)
        return replace(one, cost=replace(one.cost, hot_lost=lost))

    return tuple(weighed(one) for one in proposals)
