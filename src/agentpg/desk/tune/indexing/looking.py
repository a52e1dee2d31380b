"""All that `agentpg tune indexes` shows: the findings, what runs, and what is proposed for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from agentpg.db import Connection, Database, Statements, class_row, connect, driver_errors
from agentpg.desk.check import Unlooked
from agentpg.desk.doctor.indexes.facts import Facts
from agentpg.desk.doctor.indexes.findings import find
from agentpg.desk.doctor.indexes.looking import look_at_indexes
from agentpg.desk.doctor.indexes.policy import Policy
from agentpg.desk.finding import Finding
from agentpg.desk.tune.indexing.candidates import Column, Columns, candidates_of
from agentpg.desk.tune.indexing.hypothetical import hypothesize
from agentpg.desk.tune.indexing.proposals import Proposal, propose
from agentpg.desk.tune.indexing.workload import Statement, Workload, read_workload
from agentpg.desk.tune.indexing.writing import changed_columns, with_hot_lost

_SQL = Statements("indexing", "")

# Those for the most time come first; nobody reads more at once.
_MOST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What was looked at, and what is made of it; so many more proposals are left out."""

    facts: Facts
    findings: Sequence[Finding]
    workload: Workload | Unlooked
    proposals: tuple[Proposal, ...]
    left_out: int = 0

    def with_proposals(self, proposals: Sequence[Proposal]) -> View:
        """The same with other proposals, such as tried ones."""
        return replace(self, proposals=tuple(proposals))


def look(database: Database, most: int, policy: Policy | None = None) -> View:
    """Look at the indexes and at the `most` statements that take most time.

    Where HypoPG is installed, the planner is asked about each proposal. Raises the errors of the
    database.
    """
    policy = policy or Policy()
    facts = look_at_indexes(database, policy)
    with (
        driver_errors(database.target()),
        connect(database, "agentpg tune indexes") as connection,
    ):
        workload = read_workload(connection, most)
        statements = () if isinstance(workload, Unlooked) else workload.statements
        columns = _columns(connection, statements)
        indexes = () if isinstance(facts.indexes, Unlooked) else facts.indexes
        found = candidates_of(statements, columns, indexes)
        proposals = propose(dict(islice(found.items(), _MOST)), columns, facts)
        proposals = with_hot_lost(proposals, changed_columns(statements))
        proposals = hypothesize(connection, proposals)
    return View(
        facts=facts,
        findings=find(facts, policy),
        workload=workload,
        proposals=proposals,
        left_out=max(len(found) - _MOST, 0),
    )


def _columns(connection: Connection[Any], statements: Sequence[Statement]) -> Columns:
    names = sorted({name for one in statements for name in one.tables})
    cursor = connection.cursor(row_factory=class_row(Column))
    found = cursor.execute(_SQL["read_columns"], {"names": names}).fetchall()
    return {(one.table_name, one.name): one for one in found}
