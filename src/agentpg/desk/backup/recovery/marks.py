"""Marks: moments with a name, to which recovery can be told to go.

    marks/SYSTEM/NAME.json    the mark's position in the WAL, and its moment

A mark is a restore point of PostgreSQL. Recovery stops at the first one of a name, so a name is
taken in the repository before the point is made, and never given twice.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from agentpg.db import Connection, Statements
from agentpg.desk.backup.model import FORMAT
from agentpg.desk.backup.storage.repository import Repository
from agentpg.errors import MarkDamaged, MarkExists, MarkNameWrong, MarkNotFound, ObjectMissing

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
# Base backups name their own moments like this.
_OF_BACKUP = re.compile(r"\d{8}T\d{6}Z-.*")
_SQL = Statements("base", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A moment of a cluster. `lsn` is None for one that was begun and perhaps never made."""

    name: str
    system: str
    made_at: datetime
    lsn: str | None = None
    timeline: int | None = None


def make_mark(connection: Connection[Any], repository: Repository, name: str) -> Mark:
    """Mark this moment. Raises MarkNameWrong and MarkExists."""
    if not _NAME.fullmatch(name) or _OF_BACKUP.fullmatch(name):
        raise MarkNameWrong(name=name)
    [(system, timeline, now)] = connection.execute(_SQL["read_timeline"]).fetchall()
    mark = Mark(name=name, system=system, made_at=now.astimezone(UTC))
    if not repository.create(_key(system, name), _written(mark)):
        known = read_mark(repository, system, name)
        raise MarkExists(name=name, made_at=f"{known.made_at:%Y-%m-%d %H:%M:%S%z}")
    [(lsn, at)] = connection.execute(_SQL["create_mark"], {"name": name}).fetchall()
    connection.execute(_SQL["write_on"])
    made = Mark(
        name=name, system=system, made_at=at.astimezone(UTC), lsn=lsn, timeline=int(timeline)
    )
    repository.write(_key(system, name), _written(made))
    return made


def read_mark(repository: Repository, system: str, name: str) -> Mark:
    """The mark of this name. Raises MarkNotFound and MarkDamaged."""
    key = _key(system, name)
    try:
        return _parsed(repository.read(key), key)
    except ObjectMissing:
        raise MarkNotFound(name=name, place=repository.place) from None


def list_marks(repository: Repository, system: str) -> list[Mark]:
    """The marks of a cluster, in the order of their moments."""
    keys = [stored.key for stored in repository.objects(_key(system, "").removesuffix(".json"))]
    marks = (_parsed(repository.read(key), key) for key in keys)
    return sorted(marks, key=lambda mark: mark.made_at)


def _key(system: str, name: str) -> str:
    return f"marks/{system}/{name}.json"


def _written(mark: Mark) -> bytes:
    said = {"format": FORMAT, **asdict(mark), "made_at": mark.made_at.isoformat()}
    return f"{json.dumps(said, indent=2)}\n".encode()


def _parsed(content: bytes, key: str) -> Mark:
    try:
        said = json.loads(content)
        return Mark(
            name=said["name"],
            system=said["system"],
            made_at=datetime.fromisoformat(said["made_at"]),
            lsn=said["lsn"],
            timeline=said["timeline"],
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise MarkDamaged(f"{type(error).__name__}: {error}", mark=key) from None
