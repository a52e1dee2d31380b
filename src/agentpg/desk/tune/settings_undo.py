"""The file that takes a change of settings back: SQL, for agentpg and for psql.

It has a line for each setting that brings back exactly what was set before, in the server's own
file or for a role, and what was not set is reset. It is written before anything is changed.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agentpg.db import identifier, literal
from agentpg.errors import FileNotRead, FileNotWritten, UndoUnreadable
from agentpg.language import N_

FOLDER = Path("undo")

_HEAD = "-- agentpg: undo of settings; server "
_HOW = "-- agentpg tune settings --undo FILE, or psql -f FILE as a superuser"
_RELOAD = "SELECT pg_catalog.pg_reload_conf();"

_NAME = r'"(?:[^"]|"")+"(?:\."(?:[^"]|"")+")*'
_TEXT = r"E?'(?:[^']|'')*'"
# Names and values may have line breaks in them.
_STATEMENT = re.compile(
    rf"ALTER (?:SYSTEM|ROLE (?P<role>{_NAME})) "
    rf"(?:SET (?P<set>{_NAME}) = (?P<value>{_TEXT}(?:, {_TEXT})*)|RESET (?P<reset>{_NAME}));\n"
)
_PASSED_OVER = re.compile(rf"--[^\n]*\n|{re.escape(_RELOAD)}\n|\s+")
_PART = re.compile(r'"((?:[^"]|"")+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A setting that is set, or reset where there is no value, for the server or for a role.

    `value_sql` are literals as SQL has them.
    """

    name: str
    value_sql: str | None
    role: str = ""

    @property
    def label(self) -> str:
        """As the command line names it."""
        return f"{self.name}@{self.role}" if self.role else self.name

    @property
    def name_sql(self) -> str:
        """The name, each part of it quoted."""
        return ".".join(identifier(part) for part in self.name.split("."))

    @property
    def sql(self) -> str:
        """The statement, as it can be typed."""
        whose = f"ROLE {identifier(self.role)}" if self.role else "SYSTEM"
        if self.value_sql is None:
            return f"ALTER {whose} RESET {self.name_sql};"
        return f"ALTER {whose} SET {self.name_sql} = {self.value_sql};"


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """What brings back the state before; `system` is the identifier of the cluster, empty where
    it was not known."""

    system: str
    changes: tuple[Change, ...]


def before(
    changes: Sequence[Change], automatic: dict[str, str], of_roles: dict[tuple[str, str], str]
) -> tuple[Change, ...]:
    """What brings back the state before: `automatic` is what the server's own file has, and
    `of_roles` what is set by role and name. The last change is taken back first."""
    found = []
    for change in reversed(changes):
        if change.role:
            value = of_roles.get((change.role, change.name))
        else:
            value = automatic.get(change.name)
        value_sql = None if value is None else _value_sql(change.name, value)
        found.append(Change(name=change.name, value_sql=value_sql, role=change.role))
    return tuple(found)


def write_undo(home: Path, undo: Undo, target: str, now: datetime) -> Path:
    """Write it into the folder `undo` of the home, for this account alone. Raises
    FileNotWritten."""
    folder = home / FOLDER
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    path = folder / f"settings-{stamp}-{secrets.token_hex(2)}.sql"
    lines = [
        f"{_HEAD}{undo.system or '-'}",
        f"-- {now.isoformat()}, {' '.join(target.split())}",
        _HOW,
    ]
    lines += [change.sql for change in undo.changes]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write("\n".join([*lines, _RELOAD, ""]).encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise FileNotWritten(error.strerror or str(error), path=path) from None
    return path


def read_undo(path: Path) -> Undo:
    """What a file takes back. Raises FileNotRead, and UndoUnreadable where a line is none that we
    would have written: nothing else is run."""
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise FileNotRead(error.strerror or str(error), path=path) from None
    except UnicodeDecodeError:
        raise UndoUnreadable(N_("it was not written by agentpg"), path=path) from None
    head, _, rest = text.partition("\n")
    if not head.startswith(_HEAD):
        raise UndoUnreadable(N_("it was not written by agentpg"), path=path)
    system = head.removeprefix(_HEAD).strip()
    return Undo(system="" if system == "-" else system, changes=tuple(_changes(rest, path)))


def _changes(text: str, path: Path) -> Iterator[Change]:
    text, at = f"{text.rstrip()}\n", 0
    while at < len(text):
        passed = _PASSED_OVER.match(text, at)
        if passed is not None:
            at = passed.end()
            continue
        found = _STATEMENT.match(text, at)
        if found is None:
            raise UndoUnreadable(N_("a line is not one that agentpg writes"), path=path)
        at = found.end()
        yield Change(
            name=_bare(found["set"] or found["reset"]),
            value_sql=found["value"],
            role=_bare(found["role"]) if found["role"] else "",
        )


def _value_sql(name: str, value: str) -> str:
    """A value as it was read; lists of libraries are written part by part, or the server would
    take them for one with a comma in its name."""
    if name.endswith("_libraries"):
        parts = [part.strip().strip('"') for part in value.split(",") if part.strip()]
        return ", ".join(literal(part).strip() for part in parts) or "''"
    return literal(value).strip()


def _bare(name: str) -> str:
    return ".".join(part.replace('""', '"') for part in _PART.findall(name))
