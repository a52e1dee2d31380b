"""Which line of pg_hba.conf decides about a connection: the first that fits, as in the server.

What would need the server's own knowledge, such as who is a member of a role, is not guessed:
the answer is then uncertain, unless what the server said is given.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from agentpg.desk.hba.here import is_here
from agentpg.desk.hba.reading import PATTERNS_SINCE, Line, Word, numeric, read_lines

# Of PostgreSQL's expressions only what means the same in Python, and ends soon there, is tried.
_PLAIN_PATTERN = re.compile(r"\^?[\w.@|-]*(?:\.[*+])?[\w.@|-]*(?:\.[*+])?\$?", re.ASCII)

_LOOPBACK = ("127.0.0.1", "::1")

# As strtol takes it.
_LENGTH = re.compile(r"[+-]?\d{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the server said: the roles that each role is a member of, itself included, by role;
    and which of these `names` a regular expression fits, by expression."""

    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)
    fitting: Mapping[str, frozenset[str]] = field(default_factory=dict)
    names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A connection as the server sees it; `address` is empty for a socket.

    `local` says that the file is that of a server on this machine.
    """

    user: str
    database: str
    address: str
    tls: bool
    replication: bool = False
    major: int = 18
    local: bool = True
    known: Known = field(default_factory=Known)


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
    return first_of(read_lines(path, asked.major), asked, str(path))


def first_of(lines: Iterable[Line], asked: Asked, file: str = "") -> Match:
    """The same among lines that were read."""
    earlier: list[Match] = []
    for line in lines:
        fits = line_fits(line, asked)
        if fits is False:
            continue
        match = Match(file=line.file, number=line.number, text=line.text, method=line.method)
        if fits:
            return replace(match, earlier=tuple(earlier))
        earlier.append(match)
    return Match(file=file, earlier=tuple(earlier))


def line_fits(line: Line, asked: Asked) -> bool | None:
    """Whether a line fits; None where only the server knows."""
    if len(line.fields) < 4:
        return False
    parts: Sequence[Callable[[], bool | None]] = (
        lambda: _kind_fits(line.kind, asked),
        lambda: line.kind == "local" or address_fits(line, asked.address, local=asked.local),
        lambda: _any(_database_fits(word, asked) for word in line.databases),
        lambda: _any(_role_fits(word, asked) for word in line.roles),
    )
    unsure = False
    for part in parts:
        fits = part()
        if fits is False:
            return False
        unsure = unsure or fits is None
    return None if unsure else True


def network_of(line: Line) -> tuple[int, int, int] | None:
    """The network, its mask, and its version, 4 or 6; None where its address names no network."""
    if line.kind == "local" or len(line.fields) < 5:
        return None
    text, slash, length = line.fields[3][0].text.partition("/")
    address = numeric(text)
    if address is None:
        return None
    base = ipaddress.ip_address(address.partition("%")[0])
    mask = _mask(line, base.max_prefixlen, length if slash else None)
    return None if mask is None else (int(base) & mask, mask, base.version)


def address_fits(line: Line, address: str, *, local: bool = True) -> bool | None:
    """Whether the address of a line fits; None where only the server knows."""
    word = line.fields[3][0]
    if word.means("all"):
        return True
    if word.means("samehost") or word.means("samenet"):
        return _same_fits(word, address, local=local)
    if numeric(word.text.partition("/")[0]) is None:
        return None
    network = network_of(line)
    if network is None:
        return False
    base, mask, version = network
    asked = ipaddress.ip_address(address.partition("%")[0])
    return asked.version == version and int(asked) & mask == base


def _same_fits(word: Word, address: str, *, local: bool) -> bool | None:
    """Of the server's own addresses only this machine's, and loopback's, are known here."""
    own = ipaddress.ip_address(address.partition("%")[0])
    if str(own) in _LOOPBACK or (own.is_loopback and word.text == "samenet"):
        return True
    # All of 127.0.0.0/8 can be bound, and 127.0.0.1 alone is an interface's, as a rule.
    if not local or own.is_loopback:
        return None
    here = is_here(address)
    return here if word.text == "samehost" else here or None


def _mask(line: Line, bits: int, length: str | None) -> int | None:
    whole = (1 << bits) - 1
    if length is not None:
        if not _LENGTH.fullmatch(length) or not 0 <= int(length) <= bits:
            return None
        return whole ^ (whole >> int(length))
    said = numeric(line.fields[4][0].text) if line.has_mask else None
    if said is None:
        return None
    mask = ipaddress.ip_address(said.partition("%")[0])
    return int(mask) if mask.max_prefixlen == bits else None


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


def _database_fits(word: Word, asked: Asked) -> bool | None:
    if asked.replication:
        return word.means("replication")
    if word.means("all"):
        return True
    if word.means("sameuser"):
        return asked.user == asked.database
    if word.means("samerole") or word.means("samegroup"):
        return _belongs(asked, asked.database)
    if word.means("replication"):
        return False
    return _name_fits(word, asked.database, asked)


def _role_fits(word: Word, asked: Asked) -> bool | None:
    if not word.quoted and word.text.startswith("+"):
        return _belongs(asked, word.text[1:])
    if word.means("all"):
        return True
    return _name_fits(word, asked.user, asked)


def _belongs(asked: Asked, group: str) -> bool | None:
    if group == asked.user:
        return True
    groups = asked.known.groups.get(asked.user)
    return None if groups is None else group in groups


def _name_fits(word: Word, name: str, asked: Asked) -> bool | None:
    # A pattern may be quoted, since commas end what is not.
    if not word.text.startswith("/") or asked.major < PATTERNS_SINCE:
        return word.text == name
    pattern = word.text[1:]
    if pattern in asked.known.fitting and name in asked.known.names:
        return name in asked.known.fitting[pattern]
    if not _PLAIN_PATTERN.fullmatch(pattern):
        # PostgreSQL's expressions know what Python's do not.
        return None
    return re.search(pattern, name) is not None
