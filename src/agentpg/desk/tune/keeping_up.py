"""VACUUM and ANALYZE of the tables that the server's own autovacuum falls behind on.

One table after another, gently, for a limited time, and never the rewrite. A table that somebody
else works on is left for another time, and so is one whose dead rows somebody still keeps: a
vacuum would be in vain. It begins nothing while a backup is under way, and holds none up. What
takes longer than there is time for gets more the next time: see `long_vacuums.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
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
from agentpg.desk.tune.long_vacuums import (
    Unfinished,
    Window,
    cut_off,
    last_of_all,
    waits,
    window_of,
)
from agentpg.desk.turn import UNDISTURBED, turn
from agentpg.errors import VacuumThroughPooler, WorkUnderWay

_SQL = Statements("vacuum", "")

# What the server warns of with this code: it has left a table out, as it was told to.
_NOT_AVAILABLE = "55P03"

# The statements, as they are told.
_VACUUMS = ("vacuum_aside", "vacuum_rows_aside")
_CALLED = {
    "vacuum_aside": "vacuum",
    "vacuum_rows_aside": "vacuum without indexes",
    "analyze_aside": "analyze",
}

# What the server ends for its time it ends a little late.
_MOMENT = 0.05

_NO_TIME = "there was no time left"
_CUT_OFF = "its vacuum was cut off after {seconds} s; the next has {more} s{how}"
_TOO_LONG = (
    "its vacuum was cut off {tries} times, the last after {seconds} s, and is tried once a day: "
    "run `agentpg tune vacuum` on it at a quiet time, which has no limit"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepUpOptions:
    """How: for `most` time in all, and `longest` with the tables whose vacuum was cut off before;
    `cost_delay` is the rest after each piece of work, of `cost_limit` of the server's units of
    cost."""

    most: timedelta = timedelta(minutes=10)
    longest: timedelta = timedelta(minutes=50)
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
    """What was done and what was left; `complete` where the time sufficed.

    `unfinished` is for the next round to be given: the tables whose vacuum was cut off.
    """

    done: tuple[SeenTo, ...]
    left: tuple[Left, ...]
    complete: bool
    unfinished: tuple[Unfinished, ...] = ()


def keep_up(
    database: Database,
    options: KeepUpOptions,
    check: Callable[[], None],
    policy: Policy | None = None,
    unfinished: Sequence[Unfinished] = (),
) -> KeptUp:
    """See to what needs it, the most urgent first, and last to what was left `unfinished` the last
    time; `check` is called before each table and may raise.

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
        known = {one.oid: one for one in unfinished}
        return _Work(database, connection, gives_way, options, known).do(needs, check)


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
        known: dict[int, Unfinished],
    ) -> None:
        self._known = known
        self._schema = database.schema
        self._connection = connection
        self._gives_way = gives_way
        self._options = options
        began = time.monotonic()
        self._end = began + options.most.total_seconds()
        self._last = began + max(options.most, options.longest).total_seconds()
        self._window = Window(most=options.most, rest=options.cost_delay)
        self._until = self._end
        self._skipped: list[str] = []
        connection.add_notice_handler(self._hear)

    def do(self, needs: Sequence[Need], check: Callable[[], None]) -> KeptUp:
        """See to one table after another."""
        done: list[SeenTo] = []
        left: list[Left] = []
        complete = True
        for of_table in last_of_all(list(by_table(needs)), self._known):
            check()
            outcome = self._refused(of_table) or self._see_to(of_table)
            complete = complete and not (isinstance(outcome, Left) and outcome.why == _NO_TIME)
            if isinstance(outcome, SeenTo):
                done.append(outcome)
            else:
                left.append(outcome)
        wanted = {need.oid for need in needs}
        return KeptUp(
            done=tuple(done),
            left=tuple(left),
            complete=complete,
            unfinished=tuple(one for oid, one in self._known.items() if oid in wanted),
        )

    def _refused(self, needs: tuple[Need, ...]) -> Left | None:
        """Where there is no time for a table; else how it is seen to is decided."""
        before = self._known.get(needs[0].oid)
        if before is not None and waits(before, self._now()):
            return _left(needs, _TOO_LONG.format(tries=before.tries, seconds=before.seconds))
        window = self._window_of(before, needs)
        end = self._end
        if before is not None:
            end = min(time.monotonic() + window.most.total_seconds(), self._last)
        # As much time as the last try had would be as much in vain.
        half = self._options.longest.total_seconds() / 2
        least = 0.0 if before is None else min(before.seconds, half)
        if end - time.monotonic() <= least:
            return _left(needs, _NO_TIME)
        self._window, self._until = window, end
        return None

    def _window_of(self, before: Unfinished | None, needs: Sequence[Need]) -> Window:
        options = self._options
        return window_of(
            before, needs, first=options.most, longest=options.longest, rest=options.cost_delay
        )

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
        steps = _steps(needs, self._window)
        began = time.monotonic()
        self._skipped.clear()
        step = ""
        try:
            for step in steps:
                self._limit()
                with self._gives_way.watching():
                    self._connection.execute(_SQL.compose(step, table=Fragment(name)), {})
        except QueryCanceled:
            if self._gives_way.gave_way:
                return _left(needs, "somebody else waited for it")
            if self._remaining() > _MOMENT:
                return _left(needs, "it was cancelled")
            if step not in _VACUUMS:
                return _left(needs, _NO_TIME)
            return self._cut_off(needs, time.monotonic() - began)
        except ServerError as error:
            if self._connection.broken:
                raise
            return _left(needs, server_message(error))
        finally:
            if not self._connection.broken:
                self._limit(unlimited=True)
        if self._skipped:
            return _left(needs, "somebody else works on it")
        self._known.pop(needs[0].oid, None)
        [(dead,)] = self._connection.execute(_SQL["dead_rows_of"], {"oid": needs[0].oid}).fetchall()
        return SeenTo(
            table=_called(needs[0]),
            did=" and ".join(_CALLED[step] for step in steps),
            why="; ".join(need.why() for need in needs),
            seconds=round(time.monotonic() - began, 3),
            dead_rows=dead,
        )

    def _cut_off(self, needs: tuple[Need, ...], seconds: float) -> Left:
        """Remember it, so that the next try has more time; a vacuum that was cut off has frozen and
        cleaned what it has seen, and has done nothing for the indexes."""
        oid = needs[0].oid
        now = self._now()
        found = cut_off(self._known.get(oid), oid, _called(needs[0]), seconds, now)
        self._known[oid] = found
        if waits(found, now):
            return _left(needs, _TOO_LONG.format(tries=found.tries, seconds=found.seconds))
        following = self._window_of(found, needs)
        return _left(
            needs,
            _CUT_OFF.format(
                seconds=found.seconds,
                more=f"{following.most.total_seconds():g}",
                how="" if following.indexes else ", and leaves its indexes out",
            ),
        )

    def _now(self) -> datetime:
        [(moment,)] = self._connection.execute(_SQL["clock"]).fetchall()
        assert isinstance(moment, datetime)  # noqa: S101 - the server's own type
        return moment

    def _limit(self, *, unlimited: bool = False) -> None:
        options = self._options
        most = max(int(self._remaining() * 1000), 1)
        values = {
            "delay": f"{self._window.rest / timedelta(milliseconds=1):g}ms",
            "limit": str(options.cost_limit),
            "most": "0" if unlimited else f"{most}ms",
        }
        self._connection.execute(_SQL["go_gently"], values)

    def _remaining(self) -> float:
        return self._until - time.monotonic()

    def _hear(self, said: Any) -> None:
        if said.sqlstate == _NOT_AVAILABLE:
            self._skipped.append(said.message_primary or "")


def _steps(needs: Sequence[Need], window: Window) -> list[str]:
    """A vacuum where one helps, and counting anew; TOAST is never counted."""
    vacuum = "vacuum_aside" if window.indexes else "vacuum_rows_aside"
    steps = [vacuum] if any(need.wants_vacuum for need in needs) else []
    return steps if needs[0].toast else [*steps, "analyze_aside"]


def _left(needs: Sequence[Need], why: str) -> Left:
    return Left(table=_called(needs[0]), need="; ".join(need.why() for need in needs), why=why)


def _called(need: Need) -> str:
    return f"{need.table} (TOAST)" if need.toast else need.table
