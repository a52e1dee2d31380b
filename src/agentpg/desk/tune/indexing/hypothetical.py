"""Asking the planner about an index that is not there, by the extension HypoPG.

It says what the planner would do; not that this is quicker.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from agentpg.db import Connection, Statements, scalar_row
from agentpg.desk.extensions import schema_of
from agentpg.desk.tune.indexing.proposals import Proposal
from agentpg.desk.tune.plans.reading import Question, plan_on
from agentpg.errors import AgentpgError

_SQL = Statements("indexing", "")
_PATIENCE = timedelta(seconds=5)


def hypothesize(connection: Connection[Any], proposals: Sequence[Proposal]) -> tuple[Proposal, ...]:
    """The proposals with what the planner would do; as they are, where HypoPG is not there."""
    extension = schema_of(connection, "hypopg")
    if extension is None:
        return tuple(proposals)
    asking = _Asking(connection, extension)
    return tuple(asking.ask(one) if one.statements else one for one in proposals)


class _Asking:
    def __init__(self, connection: Connection[Any], extension: str) -> None:
        self._connection = connection
        self._extension = extension

    def ask(self, proposal: Proposal) -> Proposal:
        """One index at a time, for each statement that it might serve."""
        cursor = self._connection.cursor(row_factory=scalar_row)
        create = _SQL.compose("hypothesize", extension=self._extension)
        try:
            definition = {"definition": proposal.sql("build")}
            name = str(cursor.execute(create, definition).fetchone())
            used = sum(self._uses(one.query, name) for one in proposal.statements)
        finally:
            self._connection.execute(
                _SQL.compose("forget_hypotheses", extension=self._extension), {}
            )
        return proposal.tried("would be used" if used else "would not be used")

    def _uses(self, query: str, index: str) -> bool:
        question = Question(statement=query, timeout=_PATIENCE)
        try:
            plan = plan_on(self._connection, question)
        except AgentpgError:
            return False
        return any(node.said.get("Index Name") == index for node in plan.root)
