"""Which line of pg_hba.conf decides about a connection: the first that fits, as in the server.

Quotes take the meaning from a word, `@file` brings a list, `include` other lines, and a
backslash joins two lines; so it is read as the server reads it. What would need the server's own
knowledge, such as who is a member of a role, is not guessed: the answer is then uncertain.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agentpg.desk.doctor.connection.machine import is_here

# A file that includes itself ends here, as in the server.
_DEEPEST = 10

_TOKEN = re.compile(r'"(?:[^"]|"")*"?|,|[^\s,"#]+')

# From this version on names may be regular expressions and files may be included.
_PATTERNS_SINCE = 16


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a line; a quoted one has no special meaning."""

    text: str
    quoted: bool = False

    def means(self, keyword: str) -> bool:
        """Whether it is this keyword."""
        return not self.quoted and self.text == keyword


@dataclass(frozen=True, slots=True)
class Line:
    """A line with its fields, each of which is a list of words."""

    file: str
    number: int
    text: str
    fields: tuple[tuple[Word, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A connection as the server sees it; `address` is empty for a socket."""

    user: str
    database: str
    address: str
    tls: bool
    replication: bool = False
    major: int = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The line that decides; `number` is 0 where none fits. `earlier` are lines before it that
    may fit, which only the server knows."""

    file: str
    number: int = 0
    text: str = ""
    method: str = ""
    earlier: tuple[Match, ...] = ()

    @property
    def certain(self) -> bool:
        """Whether it decides, whatever only the server knows."""
        return not self.earlier

    @property
    def may_reject(self) -> Match | None:
        """The first line before it that rejects, if it fits."""
        return next((one for one in self.earlier if one.method == "reject"), None)


def first_match(path: Path, asked: Asked) -> Match:
    """The first line that fits. Raises OSError where a file can't be read."""
    earlier: list[Match] = []
    for line in read_lines(path):
        fits = _fits(line, asked)
        if fits is False:
            continue
        match = Match(file=line.file, number=line.number, text=line.text, method=_method(line))
        if fits:
            return replace(match, earlier=tuple(earlier))
        earlier.append(match)
    return Match(file=str(path), earlier=tuple(earlier))


def read_lines(path: Path, depth: int = 0) -> Iterator[Line]:
    """The lines that mean something, included ones in their place. Raises OSError."""
    if depth > _DEEPEST:
        return
    for number, text in _joined(path.read_text(encoding="utf-8", errors="replace")):
        fields = tuple(_fields(text, path))
        if not fields:
            continue
        first = fields[0][0]
        if not first.quoted and first.text.startswith("include") and len(fields) > 1:
            yield from _included(first.text, path.parent / fields[1][0].text, depth)
        else:
            yield Line(str(path), number, text.strip(), fields)


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers; one that ends with a backslash goes on in the next."""
    begun, pieces = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        begun = begun or number
        if line.endswith("\\"):
            pieces += line[:-1]
            continue
        yield begun, pieces + line
        begun, pieces = 0, ""
    if pieces:
        yield begun, pieces


def _included(kind: str, path: Path, depth: int) -> Iterator[Line]:
    if kind == "include_dir":
        for one in sorted(path.glob("*.conf")):
            yield from read_lines(one, depth + 1)
    elif kind == "include" or path.exists():
        yield from read_lines(path, depth + 1)


def _fields(text: str, path: Path) -> Iterator[tuple[Word, ...]]:
    """The fields of a line: words with commas between them are one."""
    words: list[Word] = []
    end, joins = 0, True
    for found in _TOKEN.finditer(_without_comment(text)):
        if found[0] == ",":
            joins, end = True, found.end()
            continue
        glued = bool(words) and found.start() == end and not joins
        if words and not joins and not glued:
            yield tuple(words)
            words = []
        piece = _word(found[0])
        if glued:
            # As in "a"b, which is one word.
            piece = Word(words[-1].text + piece.text, words[-1].quoted)
            words = [*words[:-1], piece]
        else:
            words += _listed(piece, path)
        joins, end = False, found.end()
    if words:
        yield tuple(words)


def _without_comment(text: str) -> str:
    inside = False
    for at, character in enumerate(text):
        if character == '"':
            inside = not inside
        elif character == "#" and not inside:
            return text[:at]
    return text


def _word(text: str) -> Word:
    if text.startswith('"'):
        inside = text[1:-1] if len(text) > 1 and text.endswith('"') else text[1:]
        return Word(inside.replace('""', '"'), quoted=True)
    return Word(text)


def _listed(word: Word, path: Path, depth: int = 0) -> list[Word]:
    """The word, or the words of the file that it names as @file."""
    if word.quoted or not word.text.startswith("@") or len(word.text) < 2 or depth > _DEEPEST:
        return [word]
    place = path.parent / word.text[1:]
    text = " ".join(_without_comment(line) for line in place.read_text("utf-8").splitlines())
    words = (_word(found[0]) for found in _TOKEN.finditer(text) if found[0] != ",")
    return [one for word in words for one in _listed(word, place, depth + 1)]


def _method(line: Line) -> str:
    """The word after the address, and after its mask where it has one."""
    fields = line.fields
    if fields[0][0].text == "local":
        at = 3
    else:
        at = 5 if len(fields) > 5 and _is_address(fields[4][0].text) else 4
    return fields[at][0].text if len(fields) > at else ""


def _fits(line: Line, asked: Asked) -> bool | None:
    """Whether the line fits; None where only the server knows."""
    if len(line.fields) < 4:
        return False
    kind = line.fields[0][0].text
    parts: Sequence[Callable[[], bool | None]] = (
        lambda: _kind_fits(kind, asked),
        lambda: kind == "local" or _address_fits(line, asked.address),
        lambda: _any(_database_fits(word, asked) for word in line.fields[1]),
        lambda: _any(_role_fits(word, asked) for word in line.fields[2]),
    )
    unsure = False
    for part in parts:
        fits = part()
        if fits is False:
            return False
        unsure = unsure or fits is None
    return None if unsure else True


def _any(answers: Iterator[bool | None]) -> bool | None:
    given = list(answers)
    if True in given:
        return True
    return None if None in given else False


def _kind_fits(kind: str, asked: Asked) -> bool:
    if kind == "local":
        return not asked.address
    if not asked.address:
        return False
    # Kerberos never encrypts what is asked here.
    return kind in ("host", "hostnogssenc", "hostssl" if asked.tls else "hostnossl")


def _address_fits(line: Line, address: str) -> bool | None:
    word = line.fields[3][0]
    if word.means("all") or word.means("samehost"):
        # Whoever reads this file with success stands on the server's machine.
        return word.text == "all" or is_here(address)
    if word.means("samenet"):
        return True if is_here(address) else None
    if not _is_address(word.text):
        return None
    mask = line.fields[4][0].text if len(line.fields) > 4 and "/" not in word.text else ""
    try:
        network = ipaddress.ip_network(f"{word.text}/{mask}" if mask else word.text, strict=False)
    except ValueError:
        return False
    return ipaddress.ip_address(address) in network


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return True


def _database_fits(word: Word, asked: Asked) -> bool | None:
    if asked.replication:
        return word.means("replication")
    if word.means("all"):
        return True
    if word.means("sameuser"):
        return asked.user == asked.database
    if word.means("samerole") or word.means("samegroup"):
        return True if asked.user == asked.database else None
    if word.means("replication"):
        return False
    return _name_fits(word, asked.database, asked.major)


def _role_fits(word: Word, asked: Asked) -> bool | None:
    if word.means("all"):
        return True
    if not word.quoted and word.text.startswith("+"):
        return True if word.text[1:] == asked.user else None
    return _name_fits(word, asked.user, asked.major)


def _name_fits(word: Word, name: str, major: int) -> bool | None:
    # A pattern may be quoted, since commas end what is not.
    if not word.text.startswith("/") or major < _PATTERNS_SINCE:
        return word.text == name
    try:
        return re.search(word.text[1:], name) is not None
    except re.error:
        # PostgreSQL's expressions know what Python's do not.
        return None
