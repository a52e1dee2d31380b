"""Reading and writing what a repository says of its backups: records, drills, what was begun.

The order makes a backup whole or none: `begin` takes a name by writing `begun.json`, then come
the files, and `complete` writes `backup.json` when all else is durable. Removal goes the other
way: `backup.json` first, `begun.json` last. So whatever is killed when, what is there without
`backup.json` is no backup, and `begun.json` tells whose remains it is.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from agentpg.desk.backup.model import (
    FORMAT,
    KINDS,
    Backup,
    Check,
    Difference,
    Drill,
    Kind,
    Outcome,
    Source,
    StoredFile,
)
from agentpg.desk.backup.storage.repository import BEGUN, RECORD, Repository, Stored, is_step
from agentpg.errors import BackupNotFound, ObjectMissing, RecordDamaged, RecordTooNew
from agentpg.language import N_

T = TypeVar("T")

_BACKUPS = "backups/"
_DRILLS = "drills/"

# The files have theirs in the record; this is the record's own.
_CHECKSUM = "sha256"
_CHANGED = N_("its checksum does not fit")

# What another machine began is left alone so long; no backup takes longer.
_LONGEST = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A backup that somebody makes, or was making: what `begun.json` says.

    `process` and `started` tell the process on `host`; `started` is in ticks since that
    machine's start, so that a later process of the same number is another one.
    """

    name: str
    kind: Kind
    source: Source
    begun_at: datetime
    host: str
    process: int
    started: int

    def is_at_work(self) -> bool:
        """Whether its process runs on this machine."""
        return self.host == socket.gethostname() and _ticks(self.process) == self.started


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """All that lies in a repository, the newest backup last.

    `damaged` are the names of backups whose records can't be read, with the reason;
    `unfinished` those that have no record: being made, or left by what was killed.
    """

    backups: tuple[Backup, ...]
    damaged: Mapping[str, RecordDamaged]
    unfinished: tuple[str, ...]


def key_of(name: str, *parts: str) -> str:
    """The key of something that belongs to a backup: key_of(name, RECORD)."""
    return _BACKUPS + "/".join((name, *parts))


def name_for(kind: Kind, moment: datetime) -> str:
    """What a backup begun at this moment is called, where that is free."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}-{kind}"


def begin(repository: Repository, kind: Kind, source: Source, moment: datetime) -> Begun:
    """Take the next free name for a backup, and say who makes it."""
    for number in itertools.count(1):
        suffix = "" if number == 1 else f"-{number}"
        begun = Begun(
            name=name_for(kind, moment) + suffix,
            kind=kind,
            source=source,
            begun_at=moment,
            host=socket.gethostname(),
            process=os.getpid(),
            started=_ticks(os.getpid()),
        )
        if repository.create(key_of(begun.name, BEGUN), _written(begun)):
            return begun
    raise AssertionError("the numbers never end")


def complete(repository: Repository, backup: Backup) -> None:
    """Let a backup be there; all its files must be durable."""
    repository.write(key_of(backup.name, RECORD), _written(backup))


def find_backups(repository: Repository) -> Found:
    """All that lies in the repository. Raises RepositoryError where it can't be read."""
    backups, damaged, unfinished = [], {}, []
    for name, keys in _keys_by_name(repository).items():
        if key_of(name, RECORD) not in keys:
            unfinished.append(name)
            continue
        try:
            backups.append(read_backup(repository, name))
        except RecordDamaged as error:
            damaged[name] = error
        except BackupNotFound:
            continue  # removed since it was listed
    return Found(
        backups=tuple(sorted(backups, key=lambda one: (one.taken_at, one.name))),
        damaged=damaged,
        unfinished=tuple(unfinished),
    )


def list_backups(repository: Repository) -> list[Backup]:
    """The backups whose records can be read, the newest last; `find_backups` tells the rest."""
    return list(find_backups(repository).backups)


def read_backup(repository: Repository, name: str) -> Backup:
    """The record of one backup. Raises BackupNotFound, RecordDamaged and RecordTooNew."""
    if not is_step(name):
        raise BackupNotFound(name=name, place=repository.place)
    try:
        content = repository.read(key_of(name, RECORD))
    except ObjectMissing:
        raise BackupNotFound(name=name, place=repository.place) from None
    backup = _parsed(content, name, _backup)
    if backup.name != name:
        raise RecordDamaged(f"it is that of {backup.name}", name=name)
    return backup


def read_begun(repository: Repository, name: str) -> Begun:
    """Who makes, or was making, a backup. Raises ObjectMissing and RecordDamaged."""
    return _parsed(repository.read(key_of(name, BEGUN)), name, _begun)


def read_drills(repository: Repository, name: str) -> list[Drill]:
    """The drills of a backup, the newest last.

    Of one whose record can't be read it is unknown what it found.
    """
    stored = repository.objects(f"{_DRILLS}{name}/")
    drills = [drill for one in stored if (drill := _read_drill(repository, name, one))]
    return sorted(drills, key=lambda drill: drill.begun_at)


def write_drill(repository: Repository, drill: Drill) -> None:
    """Keep what a drill found."""
    moment = f"{drill.begun_at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"
    repository.write(f"{_DRILLS}{drill.backup}/{moment}.json", _written(drill))


def remove_backup(repository: Repository, name: str) -> None:
    """Remove a backup or the remains of one, with its drills: the record first."""
    repository.remove([key_of(name, RECORD)])
    below = [found.key for found in repository.objects(key_of(name, ""))]
    drills = [found.key for found in repository.objects(f"{_DRILLS}{name}/")]
    begun = key_of(name, BEGUN)
    repository.remove([*(key for key in below if key != begun), *drills])
    repository.remove([begun])


def remove_remains(repository: Repository, source: Source) -> list[str]:
    """Remove what was begun on this source and not ended; the names that it had.

    The caller holds the source's lock, so that nobody is at it.
    """
    left = [
        name for name in find_backups(repository).unfinished if _is_left(repository, name, source)
    ]
    for name in left:
        remove_backup(repository, name)
    return left


def _read_drill(repository: Repository, name: str, stored: Stored) -> Drill | None:
    """A drill; None where it was removed since it was listed."""
    try:
        return _parsed(repository.read(stored.key), name, _drill)
    except ObjectMissing:
        return None
    except RecordDamaged as error:
        moment = _moment_in(stored)
        return Drill(
            backup=name,
            begun_at=moment,
            ended_at=moment,
            restore=timedelta(),
            checks=(Check(name="record", outcome="unknown", reason=str(error)),),
            host="",
            server_version=0,
            agentpg_version="",
        )


def _moment_in(stored: Stored) -> datetime:
    """When a drill was begun, by its name."""
    try:
        return _moment(PurePosixPath(stored.key).stem)
    except ValueError:
        return stored.written_at


def _is_left(repository: Repository, name: str, source: Source) -> bool:
    try:
        begun = read_begun(repository, name)
    except (ObjectMissing, RecordDamaged):
        return False
    if not begun.source.same_database(source) or begun.is_at_work():
        return False
    # A copy of the cluster has the same identifier and a lock of its own.
    one_place = begun.source.target == source.target and not source.is_local
    near = begun.host == socket.gethostname() or one_place
    return near or datetime.now(UTC) - begun.begun_at > _LONGEST


def _keys_by_name(repository: Repository) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for stored in repository.objects(_BACKUPS):
        name, slash, _ = stored.key.removeprefix(_BACKUPS).partition("/")
        if slash:
            found.setdefault(name, set()).add(stored.key)
    return found


def _ticks(process: int) -> int:
    """When a process started, in ticks since the machine did; 0 where there is none."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[19])


def _written(value: Backup | Begun | Drill) -> bytes:
    document = {"format": FORMAT, **dataclasses.asdict(value)}
    if isinstance(value, Drill):
        document["outcome"] = value.outcome
    plain = json.loads(json.dumps(document, default=_plain))
    text = json.dumps({**plain, _CHECKSUM: checksum_of(plain)}, ensure_ascii=False, indent=2)
    return f"{text}\n".encode()


_UNLIKE_A_RECORD = (
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
    RecursionError,
)


def checksum_of(document: dict[str, Any]) -> str:
    """The checksum of what a record says, however it is laid out."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _parsed(content: bytes, name: str, parse: Callable[[dict[str, Any]], T]) -> T:
    try:
        document = json.loads(content)
        if document["format"] > FORMAT:
            raise RecordTooNew(name=name, format=document["format"])
        if document.pop(_CHECKSUM) != checksum_of(document):
            raise RecordDamaged(_CHANGED, name=name)
        return parse(document)
    except _UNLIKE_A_RECORD as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise RecordDamaged(reason, name=name) from None


def _backup(said: dict[str, Any]) -> Backup:
    return Backup(
        name=_text(said["name"]),
        kind=_kind(said["kind"]),
        source=_source(said["source"]),
        begun_at=_moment(said["begun_at"]),
        taken_at=_moment(said["taken_at"]),
        ended_at=_moment(said["ended_at"]),
        lsn=_text(said["lsn"]),
        agentpg_version=_text(said["agentpg_version"]),
        tool_version=_text(said["tool_version"]),
        compression=_text(said["compression"]),
        recipients=tuple(_text(one) for one in said["recipients"]),
        files=tuple(
            StoredFile(
                path=_path(one["path"]),
                size_bytes=int(one["size_bytes"]),
                sha256=_text(one["sha256"]),
            )
            for one in said["files"]
        ),
        source_bytes=int(said["source_bytes"]),
        tables=int(said["tables"]),
        rows=int(said["rows"]),
        details=dict(said["details"]),
    )


def _begun(said: dict[str, Any]) -> Begun:
    return Begun(
        name=_text(said["name"]),
        kind=_kind(said["kind"]),
        source=_source(said["source"]),
        begun_at=_moment(said["begun_at"]),
        host=_text(said["host"]),
        process=int(said["process"]),
        started=int(said["started"]),
    )


def _drill(said: dict[str, Any]) -> Drill:
    return Drill(
        backup=_text(said["backup"]),
        begun_at=_moment(said["begun_at"]),
        ended_at=_moment(said["ended_at"]),
        restore=timedelta(seconds=said["restore"]),
        checks=tuple(_check(one) for one in said["checks"]),
        host=_text(said["host"]),
        server_version=int(said["server_version"]),
        agentpg_version=_text(said["agentpg_version"]),
    )


def _check(said: dict[str, Any]) -> Check:
    # An outcome that this release does not know is none that it may take for a pass.
    known: dict[str, Outcome] = {"passed": "passed", "failed": "failed"}
    outcome = known.get(_text(said["outcome"]), "unknown")
    return Check(
        name=_text(said["name"]),
        outcome=outcome,
        reason=_text(said["reason"]),
        differences=tuple(Difference(**one) for one in said["differences"]),
    )


def _source(said: dict[str, Any]) -> Source:
    return Source(
        system_identifier=_text(said["system_identifier"]),
        database=_text(said["database"]),
        schema=_text(said["schema"]),
        server_version=int(said["server_version"]),
        target=_text(said["target"]),
    )


def _kind(said: object) -> Kind:
    for kind in KINDS:
        if kind == said:
            return kind
    raise ValueError(f"there is no kind {said!r}")


def _text(said: object) -> str:
    if not isinstance(said, str):
        raise TypeError(f"{said!r} is not a text")
    return said


def _path(said: object) -> str:
    """The path of a file, which stays below the backup's folder."""
    path = _text(said)
    if not path or path.startswith("/") or ".." in path.split("/"):
        raise ValueError(f"{path!r} is no path below it")
    return path


def _moment(said: object) -> datetime:
    moment = datetime.fromisoformat(_text(said))
    if moment.tzinfo is None:
        raise ValueError(f"{said} has no offset")
    return moment
