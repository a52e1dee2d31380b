"""What is known of a backup, and of the drills that proved it.

Both are written as JSON into the repository, in a format that is versioned and only grows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

FORMAT = 1

Kind = Literal["dump", "sql", "base", "pgbackrest"]

# Those that hold one database, and go into one.
OF_DATABASES: tuple[Kind, ...] = ("dump", "sql")
# Those that hold a whole cluster, and can be recovered to a later moment.
OF_CLUSTERS: tuple[Kind, ...] = ("base", "pgbackrest")
KINDS: tuple[Kind, ...] = (*OF_DATABASES, *OF_CLUSTERS)

# Where the role may not ask for the cluster's identifier.
UNKNOWN_SYSTEM = "unknown"

# "unknown" is a drill that could not find out, and never a pass.
Outcome = Literal["passed", "failed", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What was backed up: `target` is its address as shown.

    `system_identifier` is the cluster's, or UNKNOWN_SYSTEM; `server_version` as the server
    numbers it, 150018.
    """

    system_identifier: str
    database: str
    schema: str
    server_version: int
    target: str

    @property
    def is_local(self) -> bool:
        """Whether its address means another server on each machine."""
        return self.target.startswith(("localhost:", "127.", "::1:", "the local socket:", "/", "@"))

    def same_database(self, other: Source) -> bool:
        """Whether both are one database of one cluster; of unknown clusters, of one address."""
        return self.database == other.database and self.same_cluster(other)

    def same_cluster(self, other: Source) -> bool:
        """Whether both are of one cluster; of unknown ones, whether their address is the same."""
        if UNKNOWN_SYSTEM in (self.system_identifier, other.system_identifier):
            return self.target == other.target
        return self.system_identifier == other.system_identifier


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file of a backup by its path below the backup's folder, as it lies in the repository.

    `sha256` and `size_bytes` are of the stored bytes: where it is sealed, of the sealed ones.
    """

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """One whole backup: what `backup.json` says.

    `taken_at` is the moment whose state it holds, by the source's clock; `lsn` the position in
    the WAL then. `details` has what only its kind knows (base: `start_lsn`, `stop_lsn`,
    `timeline`, `mark`; pgbackrest: `label`, `type`). `recipients` are the public keys that it
    is sealed for, empty where it is not. `source_bytes` is the database's size.
    """

    name: str
    kind: Kind
    source: Source
    begun_at: datetime
    taken_at: datetime
    ended_at: datetime
    lsn: str
    agentpg_version: str
    tool_version: str
    compression: str
    recipients: tuple[str, ...] = ()
    files: tuple[StoredFile, ...] = ()
    source_bytes: int = 0
    tables: int = 0
    rows: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tool_major(self) -> int:
        """The major version of the programs that made it, such as 19 of "19beta2"."""
        return int(re.split(r"\D", self.tool_version)[0] or 0)

    @property
    def size_bytes(self) -> int:
        """What it takes in the repository."""
        return sum(file.size_bytes for file in self.files)

    @property
    def duration(self) -> timedelta:
        """How long it took to make."""
        return self.ended_at - self.begun_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One point in which what was restored is not what the source held."""

    subject: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that a drill looked at. `reason` says why it failed or could not be done."""

    name: str
    outcome: Outcome
    reason: str = ""
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """One restore that proved, or did not prove, one backup.

    `restore` is the time from the first read of the repository to a database that answers:
    the time to recovery, without the checks.
    """

    backup: str
    begun_at: datetime
    ended_at: datetime
    restore: timedelta
    checks: tuple[Check, ...]
    host: str
    server_version: int
    agentpg_version: str

    @property
    def outcome(self) -> Outcome:
        """That of all its checks."""
        return outcome_of(self.checks)


def outcome_of(checks: Iterable[Check]) -> Outcome:
    """Passed only if every check did, and there was one."""
    outcomes = {check.outcome for check in checks}
    if "failed" in outcomes:
        return "failed"
    return "passed" if outcomes == {"passed"} else "unknown"


def last_telling(drills: Sequence[Drill]) -> Drill | None:
    """The last drill that found something out, or else the last one.

    One that could not find out changes nothing of what was known before it.
    """
    telling = [drill for drill in drills if drill.outcome != "unknown"] or drills
    return telling[-1] if telling else None
