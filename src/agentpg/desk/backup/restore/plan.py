"""What a restore into a database is asked for, decides, and has done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from agentpg.desk.backup.model import Backup, Check
from agentpg.desk.backup.restore.swapping import Connected, Ends
from agentpg.desk.backup.restore.unfinished import Unfinished
from agentpg.language import N_


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOptions:
    """What is wanted.

    `into` is the database's name. `replace`: it is there, and is swapped with the restored one.
    `end_connections` and `with_workers` say whose connections the swap may end. `parent` is a
    local folder for what can't be read in its place.
    """

    into: str
    replace: bool = False
    jobs: int = 2
    unfinished: Unfinished = "hold"
    verify: bool = True
    create_roles: bool = False
    end_connections: bool = False
    with_workers: bool = False
    pg_bin: str = ""
    parent: Path

    @property
    def ends(self) -> Ends:
        """Whose connections the swap may end."""
        return Ends(workers=self.with_workers, others=self.end_connections)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorePlan:
    """What will be done, decided.

    `staging` is the name until it is whole; `kept` that of the database which it replaces, empty
    where it replaces none. `free_bytes` None: the server's disk can't be seen from here. `left`
    are databases that killed restores have left, which are removed.
    """

    backup: Backup
    options: RestoreOptions
    target: str
    server_version: int
    staging: str
    kept: str
    sessions: tuple[Connected, ...]
    missing_roles: tuple[str, ...]
    needed_bytes: int
    free_bytes: int | None
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was done. `unfinished` is how many tasks had not ended; `took` without the comparing."""

    backup: str
    database: str
    kept: str
    unfinished: int
    checks: tuple[Check, ...]
    took: timedelta
    whole: timedelta


@dataclass(frozen=True, slots=True)
class Work:
    """How far a restore is: what it does, and bytes of the whole where they are known."""

    name: str
    done_bytes: int = 0
    total_bytes: int = 0


Tell = Callable[[Work], None]

BRINGING, READING = N_("Bringing the backup here"), N_("Reading the backup")
RESTORING = N_("Restoring")
COMPARING, SWAPPING = N_("Comparing"), N_("Swapping")
