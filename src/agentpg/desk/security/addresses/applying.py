"""Giving a server another pg_hba.conf, without locking anybody out for longer than a minute.

The order is what makes it safe: the former file is kept, and a process that will put it back
runs, before the new one is written. Then the server says whether it understands the file, reads
it, and lets us in anew by every way by which it did before.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agentpg.db import (
    Connection,
    Database,
    Statements,
    class_row,
    connect,
    driver_errors,
    secured,
)
from agentpg.desk.check import Unlooked
from agentpg.desk.doctor.disk.looking import as_monitor
from agentpg.desk.hba.rules import Rule
from agentpg.desk.security.addresses.facts import Facts
from agentpg.desk.security.addresses.pending import (
    Change,
    State,
    all_kept,
    kept_for,
    machine_seconds,
    machine_start,
    new_name,
    tell_to_read,
)
from agentpg.desk.security.addresses.undoing import watch
from agentpg.desk.security.tls.store import read_whole
from agentpg.errors import (
    AgentpgError,
    DatabaseUnavailable,
    FileNotRead,
    HbaNotHere,
    HbaWrong,
    LockedOut,
    NothingPending,
)
from agentpg.language import N_
from agentpg.settings import Settings

PATIENCE = timedelta(minutes=1)

_RELOAD_SECONDS = 10.0

# How long a way in may take; a server that is full answers late.
_PATIENCE_SECONDS = 3

# Who watches is given this time to do it first.
_GRACE_SECONDS = 3.0
_LOOK_SECONDS = 0.05

_OF_ANOTHER = N_("it is a link to a file that is not the server's")


@dataclass(frozen=True, slots=True)
class Applied:
    """What holds now, until when it has to be confirmed, and who takes it back."""

    path: Path
    until: datetime
    watcher: int
    ways: tuple[str, ...]


def apply(
    facts: Facts, database: Database, settings: Settings, text: str, patience: timedelta = PATIENCE
) -> Applied:
    """Put the text in force until it is confirmed or the time is over.

    Raises HbaNotHere, ChangePending, HbaWrong, LockedOut, FileNotRead, FileNotWritten or
    DatabaseUnavailable; the former file is then in force.
    """
    path, folder = _place(facts)
    kept = kept_for(_home(settings), path)
    asked = as_monitor(database, settings)
    with connect(asked, "agentpg security") as connection:
        ways = _ways_in(database, settings)
        before, content = _bytes_of(path), text.encode("utf-8", "surrogateescape")
        change = _change(path, folder, before, content, patience)
        kept.begin(change, before)
        try:
            watcher = watch(kept, change.name, change.until)
            loaded_at = _loaded_at(connection, asked)
            kept.write(change, content)
            _refuse_wrong(asked, connection, path)
            tell_to_read(folder)
            _prove(ways, loaded_at)
        except BaseException:
            kept.take_back(change.name)
            raise
    until = datetime.now(UTC) + timedelta(seconds=change.left)
    return Applied(path, until, watcher, tuple(one.target() for one in ways))


def confirm(path: Path, database: Database, settings: Settings) -> None:
    """Let a change stay, by one who gets in with it. Raises NothingPending, or what connecting
    raises: then it is taken back when its time is over."""
    kept = kept_for(_home(settings), path)
    if kept.read() is None:
        raise NothingPending(path=path)
    connect(database, "agentpg security").close()
    if not kept.confirm():
        raise NothingPending(path=path)


def undo(path: Path, settings: Settings) -> None:
    """Take back a change that waits, or else the last that was confirmed.

    Raises NothingPending, ChangedSince, FileNotRead or FileNotWritten.
    """
    kept = kept_for(_home(settings), path)
    if not (kept.take_back() or kept.take_back_confirmed()):
        raise NothingPending(path=path)


def take_back_overdue(settings: Settings) -> list[Path]:
    """Take back what waits longer than was said, since who would have done so is gone, as after a
    restart of the machine; the files. Raises FileNotRead or FileNotWritten."""
    taken = []
    for kept in all_kept(_home(settings)):
        change = kept.read()
        if change is not None and change.left < -_GRACE_SECONDS and kept.take_back(change.name):
            taken.append(Path(change.path))
    return taken


def last_changed(settings: Settings) -> Path | None:
    """The pg_hba.conf whose change waits, or was confirmed last, from this home: nobody may get
    in to be asked where it is."""
    states: tuple[State, ...] = ("pending", "confirmed")
    found = [
        (state == "pending", change.begun_at, change.path)
        for one in all_kept(_home(settings))
        for state in states
        if (change := one.read(state))
    ]
    return Path(max(found)[2]) if found else None


def _place(facts: Facts) -> tuple[Path, Path]:
    """The file and the data folder, where both may be changed."""
    if isinstance(facts.hba, Unlooked):
        raise HbaNotHere(facts.hba.reason)
    if isinstance(facts.folder, Unlooked):
        raise HbaNotHere(facts.folder.reason)
    path = Path(os.path.realpath(facts.hba))
    try:
        owner = facts.folder.stat().st_uid
        is_of_another = path != facts.hba.absolute() and path.stat().st_uid != owner
    except OSError as error:
        raise HbaNotHere(error.strerror or str(error)) from None
    if is_of_another:
        raise HbaNotHere(_OF_ANOTHER)
    if not os.access(path.parent, os.W_OK) or os.geteuid() not in (0, owner):
        raise HbaNotHere(os.strerror(13))
    return path, facts.folder


def _home(settings: Settings) -> Path:
    return settings.home.expanduser().absolute()


def _bytes_of(path: Path) -> bytes:
    try:
        return read_whole(path)
    except OSError as error:
        raise FileNotRead(error.strerror or str(error), path=path) from None


def _change(path: Path, folder: Path, before: bytes, content: bytes, patience: timedelta) -> Change:
    there = path.stat()
    return Change(
        name=new_name(),
        path=str(path),
        folder=str(folder),
        mode=stat.S_IMODE(there.st_mode),
        uid=there.st_uid,
        gid=there.st_gid,
        before=f"before-{hashlib.sha256(before).hexdigest()[:16]}",
        digest=hashlib.sha256(content).hexdigest(),
        begun_at=datetime.now(UTC).isoformat(),
        boot=machine_start(),
        until=machine_seconds() + patience.total_seconds(),
    )


def _refuse_wrong(database: Database, connection: Connection[Any], path: Path) -> None:
    """The server reads the file for this view, and goes on with what it had."""
    sql = Statements("addresses", database.schema)
    with driver_errors(database.target(), connection):
        rows = connection.cursor(row_factory=class_row(Rule)).execute(sql["read_rules"]).fetchall()
    wrong = next((rule for rule in rows if rule.is_refused), None)
    if wrong is not None:
        raise HbaWrong(wrong.error or "", path=wrong.file or path, line=wrong.number)


def _ways_in(database: Database, settings: Settings) -> list[Database]:
    """The ways by which we get in now: the one that applies, and those of the settings.

    Raises DatabaseUnavailable where there is none.
    """
    said = [settings.dsn_admin, settings.dsn_monitor, settings.dsn_backup]
    ours = [secured(dsn, settings) for dsn in said if dsn]
    dsns = dict.fromkeys([database.dsn, as_monitor(database, settings).dsn, *ours])
    found, refused = [], None
    for dsn in dsns:
        one = Database(dsn, database.schema).with_patience(_PATIENCE_SECONDS)
        try:
            connect(one, "agentpg security").close()
        except AgentpgError as error:
            refused = error
            continue
        found.append(one)
    if refused is not None and not found:
        raise refused
    return found


def _prove(ways: Sequence[Database], before: datetime) -> None:
    """Get in anew by each, once the server has read the file."""
    deadline = time.monotonic() + _RELOAD_SECONDS
    while _get_in(ways[0]) <= before:
        if time.monotonic() > deadline:
            text = N_("the server does not read the file")
            raise LockedOut(text, target=ways[0].target(), role=ways[0].user())
        time.sleep(_LOOK_SECONDS)
    for way in ways:
        _get_in(way)


def _get_in(way: Database) -> datetime:
    """When the server that a new session meets has read its files."""
    try:
        with connect(way, "agentpg security") as connection:
            return _loaded_at(connection, way)
    except DatabaseUnavailable as error:
        reason = str(error.values.get("reason") or error)
        raise LockedOut(reason, target=way.target(), role=way.user()) from None


def _loaded_at(connection: Connection[Any], way: Database) -> datetime:
    sql = Statements("addresses", way.schema)["read_loaded_at"]
    with driver_errors(way.target(), connection):
        row = connection.execute(sql).fetchone()
    loaded_at: datetime = row[0] if row else datetime.min.replace(tzinfo=UTC)
    return loaded_at
