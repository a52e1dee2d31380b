"""The server's files on this machine: whose they are, and who else may read or change them."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agentpg.db import Database, Statements
from agentpg.desk.check import Unlooked, looked
from agentpg.desk.doctor.disk.data_folder import Cluster, folder_of_process, why_not_of
from agentpg.desk.monitor.reading import Reader
from agentpg.desk.security.audit.facts import File, Setting
from agentpg.language import N_

_LONG_AGO = datetime.min.replace(tzinfo=UTC)

_ELSEWHERE = Unlooked(N_("the server's files are on another machine, or hidden from this account"))


@dataclass(frozen=True, slots=True)
class _Process:
    pg_backend_pid: int


@dataclass(frozen=True, slots=True)
class _Place:
    """A file, what it is called, and whether others must not read it."""

    what: str
    path: Path
    secret: bool


def look_at_files(
    database: Database, reader: Reader, settings: Mapping[str, Setting]
) -> tuple[File, ...] | Unlooked:
    """The server's files, where they are on this machine and are the server's for certain."""
    data = _data_folder(reader, settings)
    if data is None:
        return _ELSEWHERE
    cluster = looked(lambda: reader.row(Statements("disk", ""), "read_cluster", Cluster))
    if isinstance(cluster, Unlooked):
        return cluster
    amiss = why_not_of(data, cluster)
    if amiss is not None:
        return _ELSEWHERE if database.is_remote() else amiss
    found = (_file(place) for place in _places(data, settings))
    return tuple(file for file in found if file is not None)


def _data_folder(reader: Reader, settings: Mapping[str, Setting]) -> Path | None:
    """Where the process works that answers; or else what the server calls it, which may be a
    name of that process's own."""
    number = looked(lambda: reader.row(Statements("disk", ""), "read_backend", _Process))
    if isinstance(number, _Process):
        found = folder_of_process(number.pg_backend_pid)
        if found is not None:
            return found
    named = settings.get("data_directory")
    return None if named is None else Path(named.value)


def changed_at(path: Path) -> datetime | None:
    """When a file was written last; None where it can't be seen."""
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return None


def _places(data: Path, settings: Mapping[str, Setting]) -> Iterator[_Place]:
    called = settings["data_directory"].value if "data_directory" in settings else ""

    def named(name: str) -> Path | None:
        found = settings.get(name)
        if found is None or not found.value:
            return None
        path = Path(found.value)
        inside = bool(called) and path.is_relative_to(called)
        return data / (path.relative_to(called) if inside else path)

    yield _Place("data folder", data, secret=True)
    for name, what in (
        ("hba_file", "pg_hba.conf"),
        ("ident_file", "pg_ident.conf"),
        ("config_file", "postgresql.conf"),
    ):
        if path := named(name):
            yield _Place(what, path, secret=False)
    yield _Place("postgresql.auto.conf", data / "postgresql.auto.conf", secret=True)
    if key := named("ssl_key_file"):
        yield _Place("key", key, secret=True)
    if logs := named("log_directory"):
        yield _Place("log folder", logs, secret=False)
        newest = sorted(looked_in(logs), key=lambda path: changed_at(path) or _LONG_AGO)
        for log in newest[-1:]:
            yield _Place("log", log, secret=True)
    for space in looked_in(data / "pg_tblspc"):
        yield _Place("tablespace", space, secret=True)


def looked_in(folder: Path) -> list[Path]:
    """What stands in a folder; nothing where it can't be seen."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _file(place: _Place) -> File | None:
    """None for what is not there, or is behind a folder that is closed: that is as it should be."""
    try:
        found = place.path.stat()
    except OSError:
        return None
    return File(
        what=place.what,
        path=os.path.normpath(place.path),
        mode=stat.S_IMODE(found.st_mode),
        owner=_name_of(found.st_uid),
        secret=place.secret,
    )


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
