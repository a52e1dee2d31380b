"""How the databases of a restore are called, and roles and databases in the text of a dump.

NAME_restoring_20261128_140355   being filled; left by what was killed if nobody is at it
NAME_before_20261128_140355      what was replaced then
NAME_undone_20261128_140355      what was put back for it again

A NAME that is too long for that is cut, with a mark of the whole behind it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from agentpg.db import identifier, make_conninfo
from agentpg.language import N_

Stage = Literal["restoring", "before", "undone"]

_LONGEST_NAME = 63
_MOMENT = r"\d{8}_\d{6}"
_LAST = len("_20261128_140355")
_MARK = 8
_TEMPLATES = ("template0", "template1")

_TOO_LONG = N_("it has more than 63 bytes")
_NOT_TEXT = N_("it has characters that no name can have")
_TEMPLATE = N_("new databases are made from it")
_IDENTIFIER = r'("(?:[^"]|"")+"|[^\s",;]+)'

# The line above each object in what pg_dump and pg_restore write.
_OBJECT = re.compile(
    r"^-- (?:Data for )?Name: .*; Type: ([^;]*); Schema: .*; Owner: (.*?)(?:; Tablespace: .*)?$"
)
_DATA = re.compile(r"^COPY .* FROM stdin;$")
_END_OF_DATA = "\\."
_GRANTEE = re.compile(rf"^(?:GRANT|REVOKE|ALTER DEFAULT PRIVILEGES) .*\b(?:TO|FROM) {_IDENTIFIER}")
_GRANTOR = re.compile(rf"^ALTER DEFAULT PRIVILEGES FOR ROLE {_IDENTIFIER}")
_SET_IN = re.compile(rf"^ALTER ROLE {_IDENTIFIER} IN DATABASE ")
_ROLE = re.compile(rf"^(?:CREATE ROLE|ALTER ROLE|GRANT {_IDENTIFIER} TO) {_IDENTIFIER}")
_PASSWORD = re.compile(r" PASSWORD '[^']*'")
# From 16 on pg_dumpall always names the superuser of its own server, who is another one here.
_GRANTED_BY = re.compile(rf"^(GRANT {_IDENTIFIER} TO {_IDENTIFIER}.*) GRANTED BY {_IDENTIFIER};$")
_TABLESPACE = re.compile(rf"^SET default_tablespace = {_IDENTIFIER}$")
_NO_TABLESPACE = "''"
_OF_DATABASE = re.compile(rf" TABLESPACE = {_IDENTIFIER}")
_TABLESPACES = "\n--\n-- Tablespaces\n--\n"
_DATABASE = re.compile(rf"^CREATE DATABASE {_IDENTIFIER} ", re.MULTILINE)


def staged(name: str, stage: Stage, moment: datetime) -> str:
    """What a database is called in one stage of a restore."""
    return f"{_beginning(name, stage)}_{stage}_{moment.astimezone(UTC):%Y%m%d_%H%M%S}"


def is_staged(name: str, *stages: Stage, of: str | None = None) -> bool:
    """Whether a database is in one of these stages, and there because of the database `of`."""
    found = re.fullmatch(rf"(.+)_({'|'.join(stages)})_{_MOMENT}", name, re.DOTALL)
    return found is not None and (of is None or found[1] == _beginning(of, found[2]))


def why_not(name: str) -> str:
    """Why no backup is restored into a database of this name; empty where it can be."""
    if any(character < " " or "\ud800" <= character <= "\udfff" for character in name):
        return _NOT_TEXT
    if len(name.encode()) > _LONGEST_NAME:
        return _TOO_LONG
    return _TEMPLATE if name in _TEMPLATES else ""


def _beginning(name: str, stage: str) -> str:
    """The name, or as much of it as there is room for, so that no other name begins so."""
    room = _LONGEST_NAME - len(f"_{stage}") - _LAST
    whole = name.encode()
    if len(whole) <= room:
        return name
    cut = whole[: room - _MARK - 1].decode(errors="ignore")
    return f"{cut}_{hashlib.sha256(whole).hexdigest()[:_MARK]}"


@dataclass(frozen=True, slots=True)
class Needs:
    """What a server must have before: roles that own something, are granted something or have
    settings, and the tablespaces that tables are to lie in."""

    roles: frozenset[str] = frozenset()
    tablespaces: frozenset[str] = frozenset()


def needs_of(lines: Iterable[str]) -> Needs:
    """What the text of a dump needs."""
    found: set[str] = set()
    spaces: set[str] = set()
    kind = ""
    for line in _without_data(lines):
        said = _OBJECT.match(line)
        if said is not None:
            kind = said[1]
            found.add(said[2].strip())
        elif (space := _TABLESPACE.match(line.rstrip(";"))) is not None:
            spaces.add(_plain(space[1]))
        elif kind in ("ACL", "DEFAULT ACL"):
            found |= {_plain(m[1]) for p in (_GRANTEE, _GRANTOR) if (m := p.match(line))}
        elif kind == "DATABASE PROPERTIES" and (m := _SET_IN.match(line)):
            found.add(_plain(m[1]))
    return Needs(frozenset(found - {"", "-", "PUBLIC"}), frozenset(spaces - {_NO_TABLESPACE}))


def database_statements(script: str, name: str) -> str:
    """What makes the database in the output of pg_restore --create, for another name, by psql.

    The name stands at the same place in each statement, at the beginning of a line. It lies
    where the server puts databases: the source's tablespaces are its own.
    """
    found = _DATABASE.search(script)
    if found is None:
        return ""
    before = re.compile(
        rf"^((?:(?:CREATE|ALTER|COMMENT ON) |ALTER ROLE {_IDENTIFIER} IN |"
        rf"(?:GRANT|REVOKE) [^;\n]* ON |SECURITY LABEL [^;\n]* ON )DATABASE )"
        rf"{re.escape(found[1])}(?=\s)",
        re.MULTILINE,
    )
    moved = script[: found.start()] + _OF_DATABASE.sub("", script[found.start() :], count=1)
    renamed = before.sub(lambda m: m[1] + identifier(name), moved)
    # What is said of it in its own encoding is said from within it.
    within = f"\\connect -reuse-previous=on {identifier(make_conninfo('', dbname=name))}\n"
    lines = (
        within if line.startswith("\\connect ") else line
        for line in renamed.splitlines(keepends=True)
    )
    return "".join(line for line in lines if line == within or not line.startswith("\\"))


def role_statements(script: str, only: set[str] | None) -> str:
    """What makes roles in the output of pg_dumpall --globals-only, without passwords.

    Who is a member of what is granted by whoever restores it.

    Where only some are made, nothing changes that is there: what others may stays as it is.
    Tablespaces are left out: their folders are those of a server that may be at work.
    """
    lines = [
        _GRANTED_BY.sub(r"\1;", _PASSWORD.sub("", line))
        for line in script.partition(_TABLESPACES)[0].splitlines(keepends=True)
        if not line.startswith("\\")
    ]
    if only is None:
        return "".join(lines)
    return "".join(
        line for line in lines if (m := _ROLE.match(line)) is not None and _plain(m[2]) in only
    )


def _without_data(lines: Iterable[str]) -> Iterator[str]:
    in_data = False
    for line in lines:
        text = line.rstrip("\n")
        if in_data:
            in_data = text != _END_OF_DATA
        elif _DATA.match(text):
            in_data = True
        else:
            yield text


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
