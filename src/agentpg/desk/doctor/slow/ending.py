"""Ending what a session does, or the session: what was seen and nothing else, and verified."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from agentpg.db import Database, Statements
from agentpg.desk.doctor.slow.naming import is_backup, saves_from_wraparound
from agentpg.desk.doctor.slow.tree import trees_of
from agentpg.desk.monitor.reading import Reader, reading
from agentpg.desk.monitor.sessions import Activity, Session, read_activity
from agentpg.errors import EndingRefused, NotEnded, PermissionDenied, SessionNotFound
from agentpg.language import N_

Way = Literal["cancel", "terminate"]

_HIDDEN = N_("what it does is hidden from this role; it needs pg_monitor")
_BACKUP = N_("it is a backup or a standby's: ended, it would have to begin anew")
_WRAPAROUND = N_("it is a vacuum that keeps the server from stopping for want of transaction ids")
_NO_CLIENT = N_("it is a process of the server itself")
_NOTHING_RUNS = N_("it runs nothing now; --terminate ends its session")
_ANOTHER = N_("it does something else than what was seen; look again")
_REFUSED = N_("this role may not: it needs pg_signal_backend, and a superuser for a superuser's")
_GOES_ON = N_("it was asked to end, and goes on; it may wait for the disk")

_SQL = Statements("slow", "")

# A session looks for a request at its next chance: in milliseconds, but for waits of the disk.
_PATIENCE = timedelta(seconds=5)
_PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Seen:
    """A session as it was seen; `mark` stands for the whole text of its statement. `blocked` are
    those that wait for it."""

    session: Session
    mark: str
    blocked: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What became of it: that took `seconds`, and of those that waited `freed` go on."""

    way: Way
    seen: Seen
    seconds: float
    freed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Mark:
    mark: str
    is_client: bool


@dataclass(frozen=True, slots=True)
class _Asked:
    asked: bool


@dataclass(frozen=True, slots=True)
class _There:
    still_runs: bool | None


def look_for(database: Database, pid: int, way: Way) -> Seen:
    """The session with this process, where it may be ended in that way.

    Raises SessionNotFound, and EndingRefused for what must not be ended.
    """
    with reading(database, "agentpg doctor") as reader:
        activity = read_activity(reader)
        session = next((one for one in activity.sessions if one.pid == pid), None)
        if session is None:
            raise SessionNotFound(pid=pid)
        if session.hidden:
            raise EndingRefused(_HIDDEN, pid=pid)
        _refuse(session, way)
        said = {"pid": pid, "started_at": session.started_at}
        found = reader.rows(_SQL, "seen_query", _Mark, **said)
    if not found:
        raise SessionNotFound(pid=pid)
    if not found[0].is_client and session.kind != "autovacuum worker":
        raise EndingRefused(_NO_CLIENT, pid=pid)
    return Seen(session, found[0].mark, _blocked_by(activity, pid))


def _refuse(session: Session, way: Way) -> None:
    if saves_from_wraparound(session):
        raise EndingRefused(_WRAPAROUND, pid=session.pid)
    if is_backup(session):
        raise EndingRefused(_BACKUP, pid=session.pid)
    if way == "cancel" and session.state != "active":
        raise EndingRefused(_NOTHING_RUNS, pid=session.pid)


def end(database: Database, seen: Seen, way: Way) -> Ended:
    """Ask the session to end what was seen, and wait until it has.

    Raises NotEnded where it does something else by now, where the role may not, or where it goes
    on; and SessionNotFound where it has ended by itself.
    """
    with reading(database, "agentpg doctor") as reader:
        begun = time.monotonic()
        _ask(reader, seen, way)
        while _goes_on(reader, seen, way):
            if time.monotonic() - begun > _PATIENCE.total_seconds():
                raise NotEnded(_GOES_ON, pid=seen.session.pid)
            time.sleep(_PAUSE_SECONDS)
        seconds = time.monotonic() - begun
        waiting = {one.pid for one in read_activity(reader).blocked}
    freed = tuple(pid for pid in seen.blocked if pid not in waiting)
    return Ended(way=way, seen=seen, seconds=seconds, freed=freed)


def _ask(reader: Reader, seen: Seen, way: Way) -> None:
    try:
        asked = reader.rows(_SQL, f"{way}_seen", _Asked, mark=seen.mark, **_known(seen))
    except PermissionDenied:
        raise NotEnded(_REFUSED, pid=seen.session.pid) from None
    if any(one.asked for one in asked):
        return
    if not reader.rows(_SQL, "still_there", _There, **_known(seen)):
        raise SessionNotFound(pid=seen.session.pid)
    raise NotEnded(_ANOTHER, pid=seen.session.pid)


def _goes_on(reader: Reader, seen: Seen, way: Way) -> bool:
    there = reader.rows(_SQL, "still_there", _There, **_known(seen))
    return any(one.still_runs or way == "terminate" for one in there)


def _known(seen: Seen) -> dict[str, object]:
    session = seen.session
    return {
        "pid": session.pid,
        "started_at": session.started_at,
        "query_started_at": session.query_started_at,
    }


def _blocked_by(activity: Activity, pid: int) -> tuple[int, ...]:
    """All that wait for it, directly or behind others."""
    trees = list(trees_of(activity.sessions, ()))
    while trees:
        node = trees.pop()
        if node.pid == pid:
            return tuple(sorted({one.pid for one in node.all_below()}))
        trees += node.below
    return ()
