"""Trying what is proposed: real indexes on a copy, and the statements measured before and after.

One after the other: an index that makes its statements quicker stays for the next, so that two
that serve the same are not both taken for good.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from agentpg.db import (
    Connection,
    Database,
    Fragment,
    ServerError,
    Statements,
    identifier,
    scalar_row,
    server_message,
)
from agentpg.desk.redacting import redact
from agentpg.desk.tune.indexing.copying import Copy, CopyOptions, copy_of
from agentpg.desk.tune.indexing.guessing import values_for
from agentpg.desk.tune.indexing.proposals import Proposal, Trial
from agentpg.desk.tune.indexing.workload import Statement
from agentpg.desk.tune.plans.reading import Question, plan_on
from agentpg.errors import AgentpgError
from agentpg.language import N_

_SQL = Statements("indexing", "")

# Less is within what one run differs from another by.
GAIN = 0.8
_RUNS = 3

# What takes this long differs little from run to run; and not all that run are needed.
_LONG_MS = 1000
_MOST_STATEMENTS = 10
_PROBED_ROWS = 5000
_PATIENCE = timedelta(seconds=30)

_NO_STATEMENT = N_("it is for a foreign key, and not for a statement that runs")
_NO_VALUES = N_("no values are known for the parameters of its statements")

_PROBE = identifier("public", "agentpg_probe")

TellTry = Callable[[Proposal], None]


def try_proposals(
    database: Database, proposals: Sequence[Proposal], options: CopyOptions, tell: TellTry
) -> tuple[Proposal, ...]:
    """Each proposal with what was measured, in the order given.

    Raises what copying raises; what one of them meets is said of it.
    """
    wanted = [one for one in proposals if one.statements]
    if not wanted:
        return tuple(one.tried("not tested", _NO_STATEMENT) for one in proposals)
    tables = {table for one in wanted for s in one.statements for table in s.quoted_tables}
    found: dict[str, Proposal] = {}
    with copy_of(database, sorted(tables), options) as copy:
        trying = _Trying(copy)
        for one in wanted:
            tell(one)
            found[one.name] = trying.tried(one)
    return tuple(found.get(one.name) or one.tried("not tested", _NO_STATEMENT) for one in proposals)


@dataclass(frozen=True, slots=True)
class _Measured:
    """What one statement took, and the indexes that its plans used."""

    milliseconds: float
    used: frozenset[str]


class _Trying:
    """One copy, on which indexes come and, where they are no gain, go."""

    def __init__(self, copy: Copy) -> None:
        self._connection: Connection[Any] = copy.connection
        self._shares, self._failed = copy.shares, copy.failed
        self._values: dict[int, list[tuple[str, ...]]] = {}

    def tried(self, proposal: Proposal) -> Proposal:
        """With its outcome."""
        try:
            return self._try(proposal)
        except (AgentpgError, ServerError) as error:
            said = str(error) if isinstance(error, AgentpgError) else server_message(error)
            return proposal.tried("unknown", redact(said))

    def _try(self, proposal: Proposal) -> Proposal:
        most = proposal.statements[:_MOST_STATEMENTS]
        tables = sorted({name for one in most for name in one.quoted_tables})
        for table in tables:
            if table in self._failed:
                # On a table without its rows everything is quick.
                return proposal.tried("unknown", redact(self._failed[table]))
        statements = [one for one in most if self._values_for(one)]
        if not statements:
            return proposal.tried("unknown", _NO_VALUES)
        before = [self._measure(one) for one in statements]
        inserts = self._insert_ms(proposal.table)
        begun = time.monotonic()
        self._run("build", proposal)
        built = (time.monotonic() - begun) * 1000
        after = [self._measure(one) for one in statements]
        name = proposal.plain_name
        trial = Trial(
            before_ms=_weighed(statements, before),
            after_ms=_weighed(statements, after),
            statements=len(statements),
            used_by=sum(name in one.used for one in after),
            size_bytes=self._size(proposal),
            build_ms=built,
            share=min((self._shares[one] for one in tables if one in self._shares), default=1.0),
            insert_before_ms=inserts,
            insert_after_ms=self._insert_ms(proposal.table),
        )
        if trial.used_by and trial.after_ms <= GAIN * trial.before_ms:
            return proposal.tried("quicker", trial=trial)
        self._run("unbuild", proposal)
        return proposal.tried("no gain", trial=trial)

    def _values_for(self, statement: Statement) -> list[tuple[str, ...]]:
        if statement.query_id not in self._values:
            self._values[statement.query_id] = values_for(self._connection, statement)
        return self._values[statement.query_id]

    def _measure(self, statement: Statement) -> _Measured:
        """The mean over the sets of values, of the best of some runs each."""
        times, used = [], set()
        for values in self._values_for(statement):
            question = Question(
                statement=statement.query,
                parameters=values,
                analyze=True,
                write=True,
                timeout=_PATIENCE,
            )
            plans = [plan_on(self._connection, question)]
            if (plans[0].execution_ms or 0) < _LONG_MS:
                plans += [plan_on(self._connection, question) for _ in range(_RUNS - 1)]
            times.append(min(plan.execution_ms or 0 for plan in plans))
            used |= {str(n.said["Index Name"]) for n in plans[0].root if "Index Name" in n.said}
        return _Measured(statistics.fmean(times), frozenset(used))

    def _insert_ms(self, table: str) -> float | None:
        """What writing 1,000 rows takes with the indexes that the table has now."""
        parts = {"table": Fragment(table), "probe": Fragment(_PROBE)}
        cursor = self._connection.cursor(row_factory=scalar_row)
        columns = cursor.execute(_SQL["writable_columns"], {"table": table}).fetchone()
        if not columns:
            return None
        fill = _SQL.compose("fill_probe", columns=Fragment(columns), **parts)
        best: float | None = None
        for run in range(_RUNS + 1):
            with self._connection.transaction(force_rollback=True):
                self._connection.execute(_SQL.compose("make_probe", **parts), {})
                begun = time.monotonic()
                written = self._connection.execute(fill, {"rows": _PROBED_ROWS}).rowcount
                took = (time.monotonic() - begun) * 1000
            # The first one fills the caches.
            if written and run:
                best = min(took * 1000 / written, best or took * 1000 / written)
        return best

    def _size(self, proposal: Proposal) -> int:
        cursor = self._connection.cursor(row_factory=scalar_row)
        return int(cursor.execute(_SQL["size_of"], {"index": proposal.name}).fetchone() or 0)

    def _run(self, statement: str, proposal: Proposal) -> None:
        self._connection.execute(proposal.composed(statement), {})


def _weighed(statements: Sequence[Statement], measured: Sequence[_Measured]) -> float:
    """The mean of one run, by how often each statement runs."""
    calls = sum(one.calls for one in statements)
    total = sum(s.calls * m.milliseconds for s, m in zip(statements, measured, strict=True))
    return total / max(calls, 1)
