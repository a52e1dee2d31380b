"""Files that take changes back: SQL for agentpg and for psql, written before anything is changed.

The first line is a comment that says what the file is and where it belongs; then come the
statements, in the order in which they are run. Nothing is run that the reader of its kind does not
know. Files of the forms that were written before there was one for all are read as well.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from agentpg.db import Connection, Database, Statements, connect, driver_errors
from agentpg.desk.check import Unlooked, looked
from agentpg.desk.monitor.reading import Reader
from agentpg.errors import FileNotRead, FileNotWritten, UndoElsewhere, UndoUnreadable
from agentpg.language import N_

# What was changed, and thereby who takes it back.
Kind = Literal["settings", "indexes", "security"]

FOLDER = Path("undo")

_VERSION = 1
_HEAD = re.compile(r"-- agentpg undo (\d+) (\{.*\})")
_COMMANDS: Mapping[Kind, str] = {
    "settings": "agentpg tune settings --undo FILE",
    "indexes": "agentpg tune indexes --undo FILE",
    "security": "agentpg security audit --undo FILE",
}
# The first lines of the forms before, with the server where they had it.
_FORMER: Mapping[Kind, re.Pattern[str]] = {
    "settings": re.compile(r"-- agentpg: undo of settings; server (?P<system>.*)"),
    "indexes": re.compile(r"-- Undoes: "),
    "security": re.compile(r"-- What takes back the changes of "),
}

_PASSED_OVER = re.compile(r"\s+|--[^\n]*(?:\n|$)|\\set ON_ERROR_STOP on(?:\n|$)")
# It ends at a semicolon that stands in no text and no name; both may have line breaks.
_STATEMENT = re.compile(r"""((?:'(?:[^']|'')*'|"(?:[^"]|"")*"|[^;'"])+);""")

_NOT_OURS = N_("it was not written by agentpg")
_NEWER = N_("a later version of agentpg has written it")
_OTHER = N_("it is for another command, which its third line names")
_ODD = N_("a line is not one that agentpg writes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something was changed: the identifier of the cluster and the database, each empty
    where it is not known or does not matter."""

    system: str = ""
    database: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoFile:
    """What such a file has: statements without what ends them, and where they belong."""

    kind: Kind
    statements: tuple[str, ...]
    place: Place = Place()


def place_on(database: Database, connection: Connection[Any]) -> Place:
    """Where this connection leads; empty where the role may not know it."""

    def ask() -> Place:
        with Reader(database, connection).question() as asked:
            rows = asked.execute(Statements("undo", "")["read_place"]).fetchall()
        return Place(system=str(rows[0][0]), database=str(rows[0][1]))

    found = looked(ask)
    return Place() if isinstance(found, Unlooked) else found


def place_of(database: Database) -> Place:
    """The same over a connection of its own. Raises DatabaseUnavailable."""
    with driver_errors(database.target()), connect(database, "agentpg undo") as connection:
        return place_on(database, connection)


def require_here(undo: UndoFile, path: Path, here: Place, target: str) -> None:
    """Raises UndoElsewhere for a file of another server or database."""
    pairs = ((undo.place.system, here.system), (undo.place.database, here.database))
    if any(written and seen and written != seen for written, seen in pairs):
        raise UndoElsewhere(path=path, target=target)


def write_undo(home: Path, undo: UndoFile, *, done: str, now: datetime, name: str = "") -> Path:
    """Write a new file into the folder `undo` of the home, for this account alone.

    `done` says what it undoes; `name` becomes a part of the file's. Raises FileNotWritten.
    """
    folder = home / FOLDER
    text = _text(undo, done, now)
    parts = (undo.kind, now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ"), name)
    stem = "-".join(re.sub(r"[^A-Za-z0-9_.-]", "_", part) for part in parts if part)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in _names(folder, stem):
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                continue
            with os.fdopen(descriptor, "wb") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            return path
    except OSError as error:
        raise FileNotWritten(error.strerror or str(error), path=folder / stem) from None
    raise AssertionError("the numbers never end")


def read_undo(path: Path, kind: Kind) -> UndoFile:
    """What a file of this kind takes back. Raises FileNotRead, and UndoUnreadable for what is no
    such file."""
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise FileNotRead(error.strerror or str(error), path=path) from None
    except UnicodeDecodeError:
        raise UndoUnreadable(_NOT_OURS, path=path) from None
    head, _, rest = text.partition("\n")
    found, place = _head(head.rstrip("\r"), path)
    if found != kind:
        raise UndoUnreadable(_OTHER, path=path)
    return UndoFile(kind=kind, statements=tuple(_statements(rest, path)), place=place)


def odd(path: Path) -> UndoUnreadable:
    """The error for a statement that no file of its kind has."""
    return UndoUnreadable(_ODD, path=path)


def _text(undo: UndoFile, done: str, now: datetime) -> str:
    said = {"kind": undo.kind, "server": undo.place.system, "database": undo.place.database}
    return "\n".join(
        (
            # In ASCII, whatever the names are: one line, and no end of a comment.
            f"-- agentpg undo {_VERSION} {json.dumps({k: v for k, v in said.items() if v})}",
            # What is behind a line break would run.
            f"-- {now.isoformat(timespec='seconds')}: {' '.join(done.split())}",
            f"-- {_COMMANDS[undo.kind]}, or psql --no-psqlrc --file FILE",
            r"\set ON_ERROR_STOP on",
            *(f"{statement};" for statement in undo.statements),
            "",
        )
    )


def _names(folder: Path, stem: str) -> Iterator[Path]:
    yield folder / f"{stem}.sql"
    for number in itertools.count(2):
        yield folder / f"{stem}-{number}.sql"


def _head(line: str, path: Path) -> tuple[str, Place]:
    """The kind of a file and where it belongs, by its first line."""
    found = _HEAD.fullmatch(line)
    if found is None:
        return _former(line, path)
    if int(found[1]) != _VERSION:
        raise UndoUnreadable(_NEWER, path=path)
    try:
        said = json.loads(found[2])
    except ValueError:
        raise UndoUnreadable(_NOT_OURS, path=path) from None
    place = Place(system=str(said.get("server", "")), database=str(said.get("database", "")))
    return str(said.get("kind", "")), place


def _former(line: str, path: Path) -> tuple[str, Place]:
    for kind, pattern in _FORMER.items():
        found = pattern.match(line)
        if found is not None:
            system = found.groupdict().get("system", "").strip()
            return kind, Place(system="" if system == "-" else system)
    raise UndoUnreadable(_NOT_OURS, path=path)


def _statements(text: str, path: Path) -> Iterator[str]:
    at = 0
    while at < len(text):
        passed = _PASSED_OVER.match(text, at)
        if passed is not None:
            at = passed.end()
            continue
        found = _STATEMENT.match(text, at)
        if found is None:
            raise odd(path)
        at = found.end()
        yield found[1]
