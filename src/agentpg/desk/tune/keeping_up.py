"""VACUUM and ANALYZE of the tables that the server's own autovacuum falls behind on.

One table after another, gently, for a limited time, and never the rewrite. A table that somebody
else works on is left for another time, and so is one whose dead rows somebody still keeps: a
vacuum would be in vain. It begins nothing while a backup is under way, and holds none up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Any

from agentpg.db import (
    Connection,
    Database,
    Fragment,
    QueryCanceled,
    ServerError,
    Statements,
    connect,
    driver_errors,
    lasting,
    server_message,
)
from agentpg.desk.backup.sessions import be_undisturbed
from agentpg.desk.doctor.vacuum.looking import look_at_upkeep
from agentpg.desk.doctor.vacuum.needs import Need, needs_of
from agentpg.desk.doctor.vacuum.policy import Policy
from agentpg.desk.tune.giving_way import GivesWay
from agentpg.desk.turn import UNDISTURBED, turn
from agentpg.errors import VacuumThroughPooler, WorkUnderWay

_SQL = Statements("vacuum", "")

# What the server warns of with this code: it has left a table out, as it was told to.
_NOT_AVAILABLE = "55P03"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepUpOptions:
    """How: for `most` time in all; `cost_delay` is the rest after each piece of work, of
    `cost_limit` of the server's units of cost."""

    most: timedelta = timedelta(minutes=10)
    cost_delay: timedelta = timedelta(milliseconds=2)
    cost_limit: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenTo:
    """A table that was seen to: what was done, why, for how long, and what is left of it."""

    table: str
    did: str
    why: str
    seconds: float
    dead_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A table that was left as it is, and why."""

    table: str
    need: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptUp:
    """What was done and what was left; `complete` where the time sufficed."""

    done: tuple[SeenTo, ...]
    left: tuple[Left, ...]
    complete: bool


def keep_up(
    database: Database,
    options: KeepUpOptions,
    check: Callable[[], None],
    policy: Policy | None = None,
) -> KeptUp:
    """See to what needs it, the most urgent first; `check` is called before each table and may
    raise.

    Raises DatabaseUnavailable, and VacuumThroughPooler where the connection keeps no session.
    """
    policy = policy or Policy()
    needs = needs_of(look_at_upkeep(database, policy), policy)
    with (
        driver_errors(database.target()),
        connect(database, "agentpg vacuum") as connection,
        connect(database, "agentpg vacuum") as watcher,
    ):
        if lasting(connection) == "transaction":
            raise VacuumThroughPooler(target=database.target())
        be_undisturbed(connection)
        be_undisturbed(watcher)
        gives_way = GivesWay(connection, watcher)
        return _Work(database, connection, gives_way, options).do(needs, check)


def by_table(needs: Sequence[Need]) -> Iterator[tuple[Need, ...]]:
    """The needs of each table together, in the order of the most urgent of each."""
    first = {need.oid: number for number, need in reversed(list(enumerate(needs)))}
    ordered = sorted(needs, key=lambda need: first[need.oid])
    for _, found in groupby(ordered, key=lambda need: need.oid):
        yield tuple(found)


class _Work:
    """One round over one connection."""

    def __init__(
        self,
        database: Database,
        connection: Connection[Any],
        gives_way: GivesWay,
        options: KeepUpOptions,
    ) -> None:
        self._schema = database.schema
        self._connection = connection
        self._gives_way = gives_way
        self._options = options
        self._end = time.monotonic() + options.most.total_seconds()
        self._skipped: list[str] = []
        connection.add_notice_handler(self._hear)

    def do(self, needs: Sequence[Need], check: Callable[[], None]) -> KeptUp:
        """See to one table after another."""
        done: list[SeenTo] = []
        left: list[Left] = []
        complete = True
        for of_table in by_table(needs):
            check()
            if self._remaining() <= 0:
                complete = False
                left.append(_left(of_table, "there was no time left"))
                continue
            outcome = self._see_to(of_table)
            if isinstance(outcome, SeenTo):
                done.append(outcome)
            else:
                left.append(outcome)
        return KeptUp(done=tuple(done), left=tuple(left), complete=complete)

    def _see_to(self, needs: tuple[Need, ...]) -> SeenTo | Left:
        held = next((need.holder for need in needs if need.holder), None)
        if held is not None:
            return _left(needs, f"{held.name} keeps its dead rows, so a vacuum would be in vain")
        try:
            # Looked at, not kept: a plain vacuum breaks no dump, so no backup has to wait for one.
            with turn(self._connection, self._schema, UNDISTURBED):
                pass
        except WorkUnderWay:
            return _left(needs, "a backup, or a rewrite of tables, is under way")
        return self._try(needs)

    def _try(self, needs: tuple[Need, ...]) -> SeenTo | Left:
        oid = needs[0].oid
        rows = self._connection.execute(_SQL["name_table"], {"oid": oid}).fetchall()
        if not rows:
            return _left(needs, "it is gone")
        _, name, allowed = rows[0]
        if not allowed:
            return _left(needs, "the role may not vacuum it")
        if self._connection.execute(_SQL["works_on"], {"oid": oid}).fetchall():
            return _left(needs, "somebody else works on it")
        return self._run(needs, name)

    def _run(self, needs: tuple[Need, ...], name: str) -> SeenTo | Left:
        steps = _steps(needs)
        began = time.monotonic()
        self._skipped.clear()
        try:
            for step in steps:
                self._limit()
                with self._gives_way.watching():
                    self._connection.execute(_SQL.compose(step, table=Fragment(name)), {})
        except QueryCanceled:
            if self._gives_way.gave_way:
                return _left(needs, "somebody else waited for it")
            return _left(needs, "there was no time left")
        except ServerError as error:
            if self._connection.broken:
                raise
            return _left(needs, server_message(error))
        finally:
            if not self._connection.broken:
                self._limit(unlimited=True)
        if self._skipped:
            return _left(needs, "somebody else works on it")
        [(dead,)] = self._connection.execute(_SQL["dead_rows_of"], {"oid": needs[0].oid}).fetchall()
        return SeenTo(
            table=_called(needs[0]),
            did=" and ".join(step.removesuffix("_aside") for step in steps),
            why="; ".join(need.why() for need in needs),
            seconds=round(time.monotonic() - began, 3),
            dead_rows=dead,
        )

    def _limit(self, *, unlimited: bool = False) -> None:
        options = self._options
        most = max(int(self._remaining() * 1000), 1)
        values = {
            "delay": f"{options.cost_delay / timedelta(milliseconds=1):g}ms",
            "limit": str(options.cost_limit),
            "most": "0" if unlimited else f"{most}ms",
        }
        self._connection.execute(_SQL["go_gently"], values)

    def _remaining(self) -> float:
        return self._end - time.monotonic()

    def _hear(self, said: Any) -> None:
        if said.sqlstate == _NOT_AVAILABLE:
            self._skipped.append(said.message_primary or "")


def _steps(needs: Sequence[Need]) -> list[str]:
    """A vacuum where one helps, and counting anew; TOAST is never counted."""
    steps = ["vacuum_aside"] if any(need.wants_vacuum for need in needs) else []
    return steps if needs[0].toast else [*steps, "analyze_aside"]


def _left(needs: Sequence[Need], why: str) -> Left:
    return Left(table=_called(needs[0]), need="; ".join(need.why() for need in needs), why=why)


def _called(need: Need) -> str:
    return f"{need.table} (TOAST)" if need.toast else need.table
