"""Whose archive command a server has: this repository's, another one's, or another tool's.

Whoever takes it over ends the other's archive in that moment, and nobody there is told.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentpg.desk.backup.pgbackrest.stanza import configuration_of
from agentpg.desk.backup.recovery.orders import ORDERS, PUSH_SCRIPT
from agentpg.desk.backup.recovery.wal import prefix_of
from agentpg.desk.backup.storage.bucket_access import Access, access_of
from agentpg.desk.backup.storage.repository import Repository
from agentpg.settings import Settings, hide_secrets

SCRIPT = "archive_wal.sh"

_CONFIG = "--config="
# By the program that the command runs, however it is called.
_TOOLS = {
    "barman-cloud-wal-archive": "Barman",
    "barman-wal-archive": "Barman",
    "pg_probackup": "pg_probackup",
    "pgbackrest": "pgBackRest",
    "wal-e": "WAL-E",
    "wal-g": "WAL-G",
}


@dataclass(frozen=True, slots=True)
class Archive:
    """Where a cluster's WAL is to go: of `system` into `repository`.

    `settings` say how a bucket is reached; `data` is the folder in which the server works, where
    that may be seen.
    """

    repository: Repository
    system: str
    settings: Settings | None = None
    data: Path | None = None


def other_owner(command: str, archive: Archive) -> str | None:
    """Who it is that archives by this command, as it may be shown; None: this archive itself."""
    words = _words(command)
    for word in words:
        path = Path(word.removeprefix(_CONFIG))
        if path.name == SCRIPT:
            return _other_place(str(path.parent), archive)
        if path.name == PUSH_SCRIPT:
            return _other_orders(path.parent / ORDERS, archive)
        if word.startswith(_CONFIG):
            ours = archive.repository.folder(configuration_of(archive.system))
            if ours is not None and _is_same(path, ours):
                return None
    return _tool_of(words) or hide_secrets(command)


def _words(command: str) -> Sequence[str]:
    plain = command.replace("%%", "%")
    try:
        return shlex.split(plain)
    except ValueError:
        return plain.split()


def _tool_of(words: Sequence[str]) -> str | None:
    return next((_TOOLS[name] for word in words if (name := Path(word).name) in _TOOLS), None)


def _other_orders(path: Path, archive: Archive) -> str | None:
    """Whose the orders are; what can't be read tells nothing but its own place."""
    orders = _as_here(path, archive.data)
    try:
        said: dict[str, Any] = json.loads(orders.read_bytes())
        if said["bucket"]:
            return _other_bucket(Access(**said["bucket"]), archive)
        return _other_place(str(said["folder"]), archive)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return f"agentpg, {orders.parent}"


def _other_bucket(access: Access, archive: Archive) -> str | None:
    ours = f"{archive.repository.place}/{prefix_of(archive.system)}".rstrip("/")
    # Another storage may have a bucket of that name.
    if access.place == ours and (
        archive.settings is None or access_of(archive.settings).endpoint == access.endpoint
    ):
        return None
    return f"agentpg, {access.place}"


def _other_place(folder: str, archive: Archive) -> str | None:
    ours = archive.repository.folder(prefix_of(archive.system))
    found = _as_here(Path(folder), archive.data)
    return None if ours is not None and _is_same(found, ours) else f"agentpg, {found}"


def _as_here(path: Path, data: Path | None) -> Path:
    """A path as it is from here; the server was perhaps told it from where it works."""
    return path if data is None or path.is_absolute() else (data / path).resolve()


def _is_same(path: Path, ours: Path) -> bool:
    try:
        return path.samefile(ours)
    except OSError:
        return path == ours
