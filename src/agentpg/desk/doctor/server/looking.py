"""Looking at a server as a whole: questions that read only, wait for no lock and end soon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from agentpg.db import Database, Statements, connect
from agentpg.desk.check import Unlooked, looked
from agentpg.desk.doctor.server.facts import (
    Connections,
    Counters,
    Earlier,
    Facts,
    Limit,
    Machine,
    Receiving,
    Server,
    Standby,
)
from agentpg.desk.doctor.server.machine import ELSEWHERE, look_at_machine
from agentpg.desk.doctor.server.policy import LOOKED_BACK
from agentpg.desk.monitor.reading import Reader
from agentpg.desk.monitor.samples import Kept, read_near
from agentpg.errors import NoSample

T = TypeVar("T")

_LONGEST = timedelta(seconds=2)

_COUNTED = ("commits", "rollbacks")


@dataclass(frozen=True, slots=True)
class _Process:
    pg_backend_pid: int


def look_at_server(database: Database) -> Facts:
    """Look at everything. Raises DatabaseUnavailable, and what the first question raises."""
    with connect(database, "agentpg doctor") as connection:
        return _Look(database, Reader(database, connection, _LONGEST)).facts()


class _Look:
    """One look over one connection."""

    def __init__(self, database: Database, reader: Reader) -> None:
        self._database = database
        self._reader = reader
        self._sql = Statements("doctor_server", database.schema)

    def facts(self) -> Facts:
        """All of it."""
        before = datetime.now(UTC)
        server = self._reader.row(self._sql, "server", Server)
        ahead = _ahead(server.asked_at, before, datetime.now(UTC))
        kept = looked(self._kept)
        return Facts(
            server=server,
            connections=self._one("connections", Connections),
            limits=self._all("limits", Limit),
            standbys=self._all("standbys", Standby),
            receiving=self._one("receiving", Receiving) if server.in_recovery else None,
            counted=self._counted(kept),
            earlier=_earlier(kept) if isinstance(kept, Kept) else kept,
            machine=self._machine(),
            ahead_seconds=ahead,
        )

    def _kept(self) -> Kept | None:
        try:
            return read_near(self._reader, LOOKED_BACK)
        except NoSample:
            return None

    def _counted(self, kept: Kept | Unlooked | None) -> Counters | Unlooked:
        """What was counted since the sample; since the statistics began where that can't be
        told."""
        now = self._one("counters", Counters)
        if isinstance(now, Unlooked) or not isinstance(kept, Kept):
            return now
        return since(now, kept)

    def _machine(self) -> Machine | Unlooked:
        if not self._database.is_local():
            return ELSEWHERE
        found = self._one("backend", _Process)
        return found if isinstance(found, Unlooked) else look_at_machine(found.pg_backend_pid)

    def _one(self, name: str, kind: type[T]) -> T | Unlooked:
        return looked(lambda: self._reader.row(self._sql, name, kind))

    def _all(self, name: str, kind: type[T]) -> Sequence[T] | Unlooked:
        return looked(lambda: self._reader.rows(self._sql, name, kind))


def _ahead(asked: datetime, before: datetime, after: datetime) -> float:
    """How far a clock that said `asked` between these moments is ahead of ours, at the least."""
    if asked > after:
        return (asked - after).total_seconds()
    return min((asked - before).total_seconds(), 0.0)


def since(now: Counters, kept: Kept) -> Counters:
    """What was counted since a sample; all of it where the counters began anew since."""
    more = {name: _more(getattr(now, name), kept.counters.get(name)) for name in _COUNTED}
    if None in more.values():
        return now
    return replace(now, since=kept.taken_at, **more)


def _more(now: float | None, then: float | None) -> Any:
    """How much was added; None where that is not known."""
    return None if now is None or then is None or now < then else type(now)(now - then)


def _earlier(kept: Kept) -> Earlier:
    server = kept.server
    timeline = server.get("timeline")
    return Earlier(
        taken_at=kept.taken_at,
        timeline=None if timeline is None else int(timeline),
        standbys=tuple(server.get("standbys") or ()),
    )
