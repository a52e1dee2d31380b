"""Where backups lie: a folder, or a bucket that speaks S3.

    backups/NAME/begun.json      who makes it: its source, host, process, moment
    backups/NAME/backup.json     its record: written last, removed first
    backups/NAME/manifest.json   what the source held, table by table
    backups/NAME/globals.sql     roles and tablespaces of the cluster
    backups/NAME/database.sql    of kind sql: the database itself, its owner and settings
    backups/NAME/key.age         where a passphrase seals it: its secret key, under that
    backups/NAME/data/…          what its kind makes
    drills/NAME/MOMENT.json      what each drill of it found
    wal/SYSTEM/…                 archived WAL, by the cluster's system identifier
    wal/SYSTEM/key-….age         where a passphrase seals that: its secret key, under the passphrase

Sealed files end in `.age`, and the program `age` opens each; `begun.json`, `backup.json`, drills
and the histories of timelines are never sealed, and hold nothing secret.

A backup is there if its `backup.json` is there. Each object appears whole or not at all, and
`backup.json` comes after all others have reached the disk; so whatever is killed when, there
is never half a backup that looks like one. What was begun and not ended is removed by the
next run on the same source, which holds the source's lock and so knows that nobody is at it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from agentpg.desk.backup.storage.passing import Passed

RECORD = "backup.json"
BEGUN = "begun.json"
MANIFEST = "manifest.json"
GLOBALS = "globals.sql"
DATABASE = "database.sql"
KEY = "key.age"
WAL_KEY = "key-"
SEALED = ".age"

# What a file's name may have, on all usual file systems.
_LONGEST_STEP = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One object of a repository: its key, size, and when it was written."""

    key: str
    size_bytes: int
    written_at: datetime


class Repository(Protocol):
    """Whole objects under keys such as `backups/NAME/data/toc.dat`.

    Every method raises RepositoryUnavailable where the place cannot be reached or says no,
    RepositoryFull where it has no room, and ObjectMissing for a key that is not there.
    """

    @property
    def place(self) -> str:
        """Where it is, as it may be shown."""
        ...

    def folder(self, key: str) -> Path | None:
        """The local folder that has the objects below `key`; None for one that is not local.

        Who makes a backup may write there in place, and then calls `settle` for each file.
        """
        ...

    def objects(self, prefix: str) -> Iterator[Stored]:
        """All objects whose key begins so, in the order of their keys."""
        ...

    def put(self, key: str, source: Path, passed: Passed | None = None) -> None:
        """Store a file; when this returns it is durable. `passed` hears what has gone there."""
        ...

    def settle(self, key: str) -> None:
        """Make durable what was written in place below `folder`."""
        ...

    def write(self, key: str, content: bytes) -> None:
        """Store a small object; when this returns it is durable."""
        ...

    def create(self, key: str, content: bytes) -> bool:
        """Store a small object unless there is one of this key; whether it did."""
        ...

    def read(self, key: str) -> bytes:
        """A small object."""
        ...

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        """An object as a stream to read."""
        ...

    def fetch(self, key: str, target: Path, passed: Passed | None = None) -> None:
        """Bring an object to a file that does not exist yet. `passed` hears what has come."""
        ...

    def remove(self, keys: list[str]) -> None:
        """Remove objects; those that are missing are no error.

        With the last object of a backup go the remains of what never became one.
        """
        ...

    def free_bytes(self) -> int | None:
        """The room that is left; None where that is unknown."""
        ...


def is_step(name: str) -> bool:
    """Whether a name can be one step of a key: no path of its own, text, and not too long."""
    one = "/" not in name and name not in ("", ".", "..")
    return one and name.isprintable() and len(name.encode()) <= _LONGEST_STEP
