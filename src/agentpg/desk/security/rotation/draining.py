"""Waiting until nobody is connected as a login any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from agentpg.db import Connection, Statements, class_row
from agentpg.errors import RotationHeldUp

_SQL = Statements("passwords", "")

_LOOK_SECONDS = 0.1

# Programs of ours follow the service with the next statement; what idles for longer than the
# slowest of them, a heartbeat, is a spare connection of a pool, which is made anew when it is gone.
_OUR_IDLE_SECONDS = 10.0
_OURS = "agentpg"

_NAMED = 5


@dataclass(frozen=True, slots=True)
class Holder:
    """A session of a login; ages are None where they are hidden from who asks."""

    pid: int
    application: str | None
    address: str
    state: str
    seconds: float | None
    state_seconds: float | None

    @property
    def is_spare(self) -> bool:
        """Whether it is one of ours that nobody uses now."""
        ours = (self.application or "").startswith(_OURS)
        return ours and self.idles and (self.state_seconds or 0) >= _OUR_IDLE_SECONDS

    @property
    def idles(self) -> bool:
        """Whether it does nothing, and holds no transaction."""
        return self.state == "idle"

    def text(self) -> str:
        """Who it is: application, address, process."""
        return f"{self.application or '?'} ({self.address}, pid {self.pid})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for sessions to go, and for how long none may be seen.

    A program reads the service when it begins to connect, and may come in as the old login until
    its time for connecting is over: so long it has to be `quiet`. With `end_idle` others' sessions
    that do nothing are ended, too.
    """

    lasts: timedelta = timedelta(minutes=5)
    quiet: timedelta = timedelta(seconds=15)
    end_idle: bool = False


def drain(
    connection: Connection[Any],
    login: str,
    service: str,
    patience: Patience,
    tell: Callable[[Sequence[Holder]], None],
) -> None:
    """Wait until the login has had no session for a while; `tell` hears who is there now.

    Raises RotationHeldUp when the time is over.
    """
    end = time.monotonic() + patience.lasts.total_seconds()
    seen = time.monotonic()
    while True:
        here = holders(connection, login)
        tell(here)
        now = time.monotonic()
        if not here and now - seen >= patience.quiet.total_seconds():
            return
        if here:
            seen = now
            _end_spare(connection, login, here, end_idle=patience.end_idle)
        if here and now > end:
            raise RotationHeldUp(
                login=login, service=service, number=len(here), holders=named(here)
            )
        time.sleep(_LOOK_SECONDS)


def holders(connection: Connection[Any], login: str) -> list[Holder]:
    """The sessions of a login, the oldest first."""
    cursor = connection.cursor(row_factory=class_row(Holder))
    return cursor.execute(_SQL["sessions"], {"login": login}).fetchall()


def _end_spare(
    connection: Connection[Any], login: str, here: Sequence[Holder], *, end_idle: bool
) -> None:
    for one in here:
        if one.is_spare or (end_idle and one.idles):
            connection.execute(_SQL["end_idle"], {"pid": one.pid, "login": login})


def named(here: Sequence[Holder]) -> str:
    """Who some of them are, for a sentence."""
    more = ", …" if len(here) > _NAMED else ""
    return ", ".join(one.text() for one in here[:_NAMED]) + more
