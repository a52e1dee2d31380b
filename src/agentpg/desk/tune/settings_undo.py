"""What takes a change of settings back: for each exactly what was set before, in the server's own
file or for a role; what was not set is reset.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agentpg.db import identifier, literal
from agentpg.desk import undo_file
from agentpg.desk.undo_file import Place, UndoFile

_RELOAD = "SELECT pg_catalog.pg_reload_conf()"

_NAME = r'"(?:[^"]|"")+"(?:\."(?:[^"]|"")+")*'
_TEXT = r"E?'(?:[^']|'')*'"
# Names and values may have line breaks in them.
_STATEMENT = re.compile(
    rf"ALTER (?:SYSTEM|ROLE (?P<role>{_NAME})) "
    rf"(?:SET (?P<set>{_NAME}) = (?P<value>{_TEXT}(?:, {_TEXT})*)|RESET (?P<reset>{_NAME}))"
)
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
    """Write it into the folder `undo` of the home. Raises FileNotWritten."""
    statements = [change.sql.removesuffix(";") for change in undo.changes]
    file = UndoFile(
        kind="settings",
        statements=(*statements, _RELOAD),
        # Settings are the whole server's.
        place=Place(system=undo.system),
    )
    return undo_file.write_undo(home, file, done=target, now=now)


def read_undo(path: Path) -> Undo:
    """What a file takes back. Raises FileNotRead, and UndoUnreadable where a line is none that we
    would have written: nothing else is run."""
    file = undo_file.read_undo(path, "settings")
    changes = (_change(one, path) for one in file.statements if one != _RELOAD)
    return Undo(system=file.place.system, changes=tuple(changes))


def _change(statement: str, path: Path) -> Change:
    found = _STATEMENT.fullmatch(statement)
    if found is None:
        raise undo_file.odd(path)
    return Change(
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
