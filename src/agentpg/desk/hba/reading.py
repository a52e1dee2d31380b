"""The lines of pg_hba.conf, in words as the server finds them.

Quotes take the meaning from a word, a comma makes a list, `@file` brings one, a backslash joins
two lines, and from PostgreSQL 16 on `include` brings other lines.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# A file that includes itself ends here, as in the server.
_DEEPEST = 10

# From this version on files may be included, and names may be regular expressions.
PATTERNS_SINCE = 16

_INCLUDES = ("include", "include_if_exists", "include_dir")

# Blanks are these alone: other signs that Unicode takes for blanks are part of a word.
_BETWEEN = re.compile(r"[ \t\r,]*")
_WORD = re.compile(r'(?:"(?:[^"]|"")*(?:"|$)|[^ \t\r,"#])+')
_QUOTED = re.compile(r'"((?:[^"]|"")*)(?:"|$)')


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a line; one that begins with a quote has no special meaning."""

    text: str
    quoted: bool = False

    def means(self, keyword: str) -> bool:
        """Whether it is this keyword."""
        return not self.quoted and self.text == keyword


Field = tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A line with its fields, each of which is a list of words."""

    file: str
    number: int
    text: str
    fields: tuple[Field, ...]

    @property
    def kind(self) -> str:
        """Its connection type: local, host, hostssl and so on."""
        return self.fields[0][0].text

    @property
    def databases(self) -> Field:
        """The second field; empty where there is none."""
        return self._field(1)

    @property
    def roles(self) -> Field:
        """The third field."""
        return self._field(2)

    @property
    def address(self) -> str:
        """The address with its mask, as it is written; empty for a socket."""
        if self.kind == "local" or len(self.fields) < 4:
            return ""
        return " ".join(field[0].text for field in self.fields[3 : self._method_at])

    @property
    def method(self) -> str:
        """How one proves who one is; empty where the line has no such word."""
        found = self._field(self._method_at)
        return found[0].text if found else ""

    @property
    def options(self) -> tuple[str, ...]:
        """What follows the method, such as clientcert=verify-full."""
        return tuple(word.text for field in self.fields[self._method_at + 1 :] for word in field)

    @property
    def _method_at(self) -> int:
        if self.kind == "local":
            return 3
        return 5 if self.has_mask else 4

    @property
    def has_mask(self) -> bool:
        """Whether the address is followed by a mask of its own."""
        if len(self.fields) < 5:
            return False
        word = self.fields[3][0]
        return "/" not in word.text and numeric(word.text) is not None

    def _field(self, at: int) -> Field:
        return self.fields[at] if len(self.fields) > at else ()


def numeric(text: str) -> str | None:
    """An address in numbers as the server's C library has it; None for all else.

    It knows forms such as 127.1 too, so it is asked itself; no name is resolved.
    """
    try:
        found = socket.getaddrinfo(text, None, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError, ValueError):
        return None
    return str(found[0][4][0])


def read_lines(path: Path, major: int = 18, depth: int = 0) -> Iterator[Line]:
    """The lines that mean something, included ones in their place. Raises OSError."""
    if depth <= _DEEPEST:
        yield from lines_in(text_of(path), path, major, depth)


def lines_in(content: str, path: Path, major: int = 18, depth: int = 0) -> Iterator[Line]:
    """The same of a text that is, or will be, the file's. Raises OSError for what it includes."""
    for number, text in joined(content):
        fields = tuple(_fields(text, path))
        if not fields:
            continue
        first = fields[0][0]
        if major >= PATTERNS_SINCE and first.text in _INCLUDES and len(fields) > 1:
            yield from _included(first.text, path.parent / fields[1][0].text, major, depth)
        else:
            yield Line(str(path), number, text.strip(), fields)


def text_of(path: Path) -> str:
    """A file's text; bytes that are no UTF-8 survive being written again. Raises OSError."""
    return path.read_bytes().decode("utf-8", "surrogateescape")


def joined(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers; one that ends with a backslash goes on in the next."""
    begun, pieces = 0, ""
    for number, raw in enumerate(text.split("\n"), 1):
        begun = begun or number
        # The server's lines end at the first zero byte.
        line = (pieces + raw.rstrip("\r")).partition("\0")[0]
        if line.endswith("\\"):
            pieces = line[:-1]
            continue
        yield begun, line
        begun, pieces = 0, ""
    if pieces:
        yield begun, pieces


def _included(kind: str, path: Path, major: int, depth: int) -> Iterator[Line]:
    if kind == "include_dir":
        # As the server does: by the bytes of their names, and no folders.
        named = (one for one in path.iterdir() if one.suffix == ".conf" and one.name[0] != ".")
        for one in sorted((one for one in named if not one.is_dir()), key=os.fsencode):
            yield from read_lines(one, major, depth + 1)
    elif kind == "include" or path.exists():
        yield from read_lines(path, major, depth + 1)


def _fields(text: str, path: Path) -> Iterator[Field]:
    """The fields of a line: what a comma ends goes on in the next word."""
    words: list[Word] = []
    for word, goes_on in _words(text):
        words += _listed(word, path)
        if not goes_on:
            # A list that a file brings may be empty; the line then fits nobody.
            yield tuple(words) or (Word("", quoted=True),)
            words = []
    if words:
        yield tuple(words)


def _words(text: str) -> Iterator[tuple[Word, bool]]:
    """The words of a line, and whether a comma follows at once."""
    at = 0
    while True:
        between = _BETWEEN.match(text, at)
        found = _WORD.match(text, between.end() if between else at)
        if found is None:
            return
        at = found.end()
        yield _word(found[0]), text[at : at + 1] == ","


def _word(text: str) -> Word:
    bare = _QUOTED.sub(lambda found: found[1].replace('""', '"'), text)
    return Word(bare, quoted=text.startswith('"'))


def _listed(word: Word, path: Path, depth: int = 0) -> list[Word]:
    """The word, or the words of the file that it names as @file."""
    if word.quoted or not word.text.startswith("@") or len(word.text) < 2:
        return [word]
    if depth > _DEEPEST:
        return []
    place = path.parent / word.text[1:]
    words = [one for _, line in joined(text_of(place)) for one, _ in _words(line)]
    return [one for word in words for one in _listed(word, place, depth + 1)]
