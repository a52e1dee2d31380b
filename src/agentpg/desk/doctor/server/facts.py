"""What is known of a server as a whole: looked at here, judged in `findings.py`.

What could not be looked at is Unlooked, with the reason: nobody takes it for good news.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agentpg.desk.check import Unlooked

# Statistics that begin anew with a start do so within this time, all together.
_AT_ONCE = timedelta(seconds=2)
_AT_THE_START = timedelta(seconds=60)

# Its processes start with the server.
_YOUNGER = timedelta(seconds=60)

# A server is started right after its data was made.
_NEW = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What the server says of itself; `usable` are the connections that ordinary roles may have.

    `made_at` is when its data was made. `counted_since` has the moments since which WAL, archiving
    and the background writer are counted; `checkpointer_started_at` is None where the role may not
    see it.
    """

    version_number: int
    version: str
    role: str
    database: str
    made_at: datetime
    started_at: datetime
    asked_at: datetime
    in_recovery: bool
    timeline: int
    sees_all: bool
    checkpointer_started_at: datetime | None
    counted_since: Sequence[datetime | None]
    usable: int
    synchronous_names: str

    @property
    def major(self) -> int:
        """The major version."""
        return self.version_number // 10_000

    @property
    def crashed_at(self) -> datetime | None:
        """When it came back without having been shut down; None where it was shut down.

        After a crash all statistics begin anew at once, as the server starts or, where a process
        of it died, as its other processes do. Somebody may have reset all of them, too; then no
        start is near. The first start of a new server, and that of one that was made from a base
        backup, look the same: the new one is told by its age.
        """
        since = [moment for moment in self.counted_since if moment is not None]
        if len(since) < len(self.counted_since) or max(since) - min(since) > _AT_ONCE:
            return None
        if min(since) - self.made_at < _NEW:
            return None
        young = self.checkpointer_started_at
        if self.lost_a_process and young and abs(min(since) - young) <= _AT_THE_START:
            return young
        after = min(since) - self.started_at
        return self.started_at if timedelta() <= after <= _AT_THE_START else None

    @property
    def lost_a_process(self) -> bool:
        """Whether it went on after a crash of one of its processes, without a new start."""
        young = self.checkpointer_started_at
        return young is not None and young - self.started_at > _YOUNGER


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """How many sessions of clients there are, and the role and application with most of them."""

    sessions: int
    role: str
    application: str
    of_them: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A role or a database that may have so many sessions at most, and has some."""

    kind: str
    name: str
    most: int
    sessions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standby:
    """Who streams from the server; `state` None: the role may not see how it does."""

    process: int
    name: str
    address: str
    state: str | None
    sync_state: str | None
    lag_seconds: float | None
    lag_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiving:
    """How a standby receives; `seconds` since what it has replayed last was committed."""

    paused: bool
    streams: bool
    sender: str
    replayed: bool
    seconds: float | None

    @property
    def lag_seconds(self) -> float | None:
        """How far behind it is; 0 only while it streams and has replayed all."""
        return 0.0 if self.streams and self.replayed else self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What the database has counted `since` a moment."""

    since: datetime | None
    commits: int
    rollbacks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What a sample of the history says of the server: its timeline, and who streamed from it."""

    taken_at: datetime
    timeline: int | None
    standbys: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine, or the control group, that the server runs on.

    `kills` are processes of the server's group that the kernel has ended for want of memory,
    `kills_in_all` those of the whole machine since it started; None is not known.
    """

    processors: int
    load: float
    memory_bytes: int
    available_bytes: int
    kills: int | None
    kills_in_all: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that was looked at; `earlier` None: no sample was ever kept. `ahead_seconds` is how far
    the server's clock is before ours at the least, below 0 for behind."""

    server: Server
    connections: Connections | Unlooked
    limits: Sequence[Limit] | Unlooked
    standbys: Sequence[Standby] | Unlooked
    receiving: Receiving | Unlooked | None
    counted: Counters | Unlooked
    earlier: Earlier | Unlooked | None
    machine: Machine | Unlooked
    ahead_seconds: float = 0.0
