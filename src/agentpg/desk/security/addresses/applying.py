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

from agentpg.db import Connection, Database, Statements, class_row, connect, driver_errors
from agentpg.desk.check import Unlooked
from agentpg.desk.doctor.disk.looking import as_monitor
from agentpg.desk.security.addresses.facts import Facts, Rule, Server
from agentpg.desk.security.addresses.pending import Change, Kept, kept_for, tell_to_read
from agentpg.desk.security.addresses.undoing import watch
from agentpg.desk.security.tls.store import write_whole
from agentpg.errors import (
    AgentpgError,
    ChangePending,
    DatabaseUnavailable,
    HbaNotHere,
    HbaWrong,
    LockedOut,
    NothingPending,
)
from agentpg.language import N_
from agentpg.settings import Settings

PATIENCE = timedelta(minutes=1)

_RELOAD_SECONDS = 10.0
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

    Raises HbaNotHere, ChangePending, HbaWrong, LockedOut or FileNotWritten; the former file is
    then in force.
    """
    path, folder = _place(facts)
    kept = kept_for(settings.home.expanduser().absolute(), path)
    if kept.read() is not None:
        raise ChangePending(path=path)
    ways = _ways_in(database, settings)
    asked = as_monitor(database, settings)
    with connect(asked, "agentpg security") as connection:
        content = text.encode("utf-8", "surrogateescape")
        change = _change(path, folder, content, patience)
        kept.begin(change, path.read_bytes())
        try:
            watcher = watch(kept, patience.total_seconds())
            write_whole(path, content, change.mode, (change.uid, change.gid))
            _refuse_wrong(asked, connection, path)
            tell_to_read(folder)
            _prove(ways, facts)
        except BaseException:
            kept.take_back()
            raise
    until = datetime.now(UTC) + patience
    return Applied(path, until, watcher, tuple(one.target() for one in ways))


def confirm(facts_path: Path, database: Database, settings: Settings) -> None:
    """Let a change stay, by one who gets in with it. Raises NothingPending, or what connecting
    raises: then it is taken back when its time is over."""
    kept = kept_for(settings.home.expanduser().absolute(), facts_path)
    if kept.read() is None:
        raise NothingPending(path=facts_path)
    connect(database, "agentpg security").close()
    if not kept.confirm():
        raise NothingPending(path=facts_path)


def undo(path: Path, settings: Settings) -> None:
    """Take back a change that waits, or the last that was confirmed. Raises NothingPending."""
    kept = kept_for(settings.home.expanduser().absolute(), path)
    if not (kept.take_back() or kept.take_back("confirmed")):
        raise NothingPending(path=path)


def last_changed(settings: Settings) -> Path | None:
    """The pg_hba.conf whose change waits, or was confirmed last, from this home: nobody may get
    in to be asked where it is."""
    folder = settings.home.expanduser().absolute() / "hba"
    found = [
        (state == "pending", change.begun_at, change.path)
        for one in (folder.iterdir() if folder.is_dir() else ())
        for state in ("pending", "confirmed")
        if (change := Kept(one).read(state))
    ]
    return Path(max(found)[2]) if found else None


def _place(facts: Facts) -> tuple[Path, Path]:
    """The file and the data folder, where both may be changed."""
    if isinstance(facts.hba, Unlooked):
        raise HbaNotHere(facts.hba.reason)
    if isinstance(facts.folder, Unlooked):
        raise HbaNotHere(facts.folder.reason)
    path = Path(os.path.realpath(facts.hba))
    owner = facts.folder.stat().st_uid
    if path != facts.hba.absolute() and path.stat().st_uid != owner:
        raise HbaNotHere(_OF_ANOTHER)
    if not os.access(path.parent, os.W_OK) or os.geteuid() not in (0, owner):
        raise HbaNotHere(os.strerror(13))
    return path, facts.folder


def _change(path: Path, folder: Path, content: bytes, patience: timedelta) -> Change:
    there = path.stat()
    return Change(
        path=str(path),
        folder=str(folder),
        mode=stat.S_IMODE(there.st_mode),
        uid=there.st_uid,
        gid=there.st_gid,
        digest=hashlib.sha256(content).hexdigest(),
        begun_at=datetime.now(UTC).isoformat(),
        seconds=patience.total_seconds(),
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
    """The ways by which we get in now: the one that applies, and those of the settings."""
    said = [settings.dsn_admin, settings.dsn_monitor, settings.dsn_backup]
    dsns = dict.fromkeys([database.dsn, as_monitor(database, settings).dsn, *filter(None, said)])
    found = []
    for dsn in dsns:
        one = Database(dsn, database.schema).with_patience(3)
        try:
            connect(one, "agentpg security").close()
        except AgentpgError:
            continue
        found.append(one)
    return found


def _prove(ways: Sequence[Database], facts: Facts) -> None:
    """Get in anew by each, once the server has read the file."""
    if isinstance(facts.server, Server):
        _wait_until_read(ways[0], facts.server.loaded_at)
    for way in ways:
        _get_in(way)


def _wait_until_read(way: Database, before: datetime) -> None:
    deadline = time.monotonic() + _RELOAD_SECONDS
    while _get_in(way) <= before:
        if time.monotonic() > deadline:
            raise LockedOut(N_("the server does not read the file"), target=way.target(), role="")
        time.sleep(_LOOK_SECONDS)


def _get_in(way: Database) -> datetime:
    """When the server that a new session meets has read its files."""
    try:
        with connect(way, "agentpg security") as connection:
            sql = Statements("addresses", way.schema)
            row = connection.execute(sql["read_loaded_at"]).fetchone()
            loaded_at: datetime = row[0] if row else datetime.min.replace(tzinfo=UTC)
            return loaded_at
    except DatabaseUnavailable as error:
        reason = str(error.values.get("reason") or error)
        raise LockedOut(reason, target=way.target(), role=way.user()) from None
