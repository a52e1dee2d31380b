"""A better pg_hba.conf: the same people from the same places, by better proofs.

Nothing is guessed: a network is narrowed to what the operator names, and a method is made
stronger where no role needs the weaker one. Comments stay, and what never decides is said so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from agentpg.desk.check import Unlooked
from agentpg.desk.hba.covering import unreachable
from agentpg.desk.hba.matching import Asked, first_of, network_of
from agentpg.desk.hba.reading import PATTERNS_SINCE, Line, Word, joined, lines_in, text_of
from agentpg.desk.security.addresses.effects import Effect, effects
from agentpg.desk.security.addresses.facts import Facts, Server
from agentpg.errors import HbaNotHere, TlsNotOffered

_STRONG = "scram-sha-256"
_WEAK = ("trust", "password", "md5", "ident")
_ENCRYPTED = {"host": "hostssl", "hostnogssenc": "hostssl", "hostnossl": "hostssl"}

# What the server keeps its special meanings in; quotes would take them.
_SPECIAL = ("all", "sameuser", "samerole", "samegroup", "replication", "samehost", "samenet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the operator asks for: the networks from which somebody comes (empty: those of the
    file), the roles that come from other machines by certificate and not otherwise, only TLS
    from there, and superusers from this machine alone."""

    networks: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    only_tls: bool = True
    local_superusers: bool = True


@dataclass(frozen=True, slots=True)
class Difference:
    """What changes for the same people; None where no line decides."""

    before: Effect
    after: Effect


@dataclass(frozen=True, slots=True)
class Proposal:
    """A file, and what it changes for whom."""

    path: Path
    text: str
    lines: tuple[Line, ...]
    differences: tuple[Difference, ...] = field(default=())


def propose(facts: Facts, wanted: Wanted) -> Proposal:
    """The better file. Raises HbaNotHere where the present one can't be read, and TlsNotOffered
    where certificates would lock out."""
    if isinstance(facts.hba, Unlooked):
        raise HbaNotHere(facts.hba.reason)
    if wanted.certificates and isinstance(facts.server, Server) and not facts.server.has_tls:
        raise TlsNotOffered(target=f"port {facts.server.port}")
    try:
        text = text_of(facts.hba)
        lines = tuple(lines_in(text, facts.hba, _major(facts)))
        better = _Writing(facts, facts.hba, text, lines, wanted).text()
    except OSError as error:
        raise HbaNotHere(error.strerror or str(error)) from None
    return proposal_of(facts, better)


def proposal_of(facts: Facts, text: str) -> Proposal:
    """A text as a proposal: what it would change. Raises HbaNotHere."""
    if isinstance(facts.hba, Unlooked):
        raise HbaNotHere(facts.hba.reason)
    try:
        lines = tuple(lines_in(text, facts.hba, _major(facts)))
    except OSError as error:
        raise HbaNotHere(error.strerror or str(error)) from None
    return Proposal(facts.hba, text, lines, tuple(compare(facts, lines)))


def _major(facts: Facts) -> int:
    return facts.server.major if isinstance(facts.server, Server) else 18


def compare(facts: Facts, lines: Sequence[Line]) -> Iterator[Difference]:
    """What is decided otherwise than now: by another method, or no more."""
    present = () if isinstance(facts.lines, Unlooked) else facts.lines
    before = effects(facts, present, beside=lines)
    after = effects(facts, lines, beside=present)
    found = {_key(one): one for one in after}
    for one in before:
        other = found.get(_key(one))
        if other is not None and _outcome(one) != _outcome(other):
            yield Difference(one, other)


def _key(one: Effect) -> tuple[object, ...]:
    return one.roles[0].name, one.databases, one.origin.address, one.tls


def _outcome(one: Effect) -> str:
    return one.match.method if one.lets_in else ""


class _Writing:
    def __init__(
        self, facts: Facts, path: Path, text: str, lines: Sequence[Line], wanted: Wanted
    ) -> None:
        self._facts = facts
        self._path = path
        self._text = text
        self._lines = lines
        self._wanted = wanted
        self._useless = unreachable(lines, facts.known)
        server = facts.server
        self._has_tls = isinstance(server, Server) and server.has_tls
        self._major = _major(facts)
        self._client = server.client if isinstance(server, Server) else None

    def text(self) -> str:
        """The whole file."""
        written: list[str] = []
        at = 0
        is_kept_out = False
        for _, raw in joined(self._text):
            count = sum(1 for _ in lines_in(raw, self._path, self._major))
            if not count:
                written.append(raw)
            for position in range(at, at + count):
                if not is_kept_out and self._lets_others_in(self._lines[position]):
                    written += self._before_others(position)
                    is_kept_out = True
                written += self._line(position, raw)
            at += count
        if not is_kept_out:
            written += self._by_certificate(at)
        return "\n".join(written).rstrip("\n") + "\n"

    def _line(self, position: int, raw: str) -> list[str]:
        line = self._lines[position]
        if position in self._useless:
            return [f"# never decides, after line {self._useless[position].number}: {line.text}"]
        changed = self._changed(line)
        if changed == [line.fields]:
            own = line.file == str(self._path)
            return [raw] if own else [rendered(line.fields)]
        return [rendered(fields) for fields in changed]

    def _changed(self, line: Line) -> list[tuple[tuple[Word, ...], ...]]:
        """The fields that stand for the line's; several where it is narrowed to networks."""
        if line.method == "reject" or len(line.fields) < 4:
            return [line.fields]
        fields = [*line.fields]
        at = len(fields) - len(line.options) - 1
        fields[at] = (Word(self._method(line)),)
        if not self._lets_others_in(line):
            return [tuple(fields)]
        if self._wanted.only_tls and self._has_tls and line.kind in _ENCRYPTED:
            fields[0] = (Word(_ENCRYPTED[line.kind]),)
        if not self._wanted.networks or not self._is_open(line):
            return [tuple(fields)]
        rest = fields[at:]
        return [(*fields[:3], (Word(one),), *rest) for one in self._wanted.networks]

    def _method(self, line: Line) -> str:
        method = line.method
        if method not in _WEAK or (method == "ident" and line.kind == "local"):
            return method
        if method == "trust":
            return self._proof_for(line)
        # md5 takes scram too, and is all that an old password can do.
        old = self._facts.md5_roles
        return method if method == "md5" and (isinstance(old, Unlooked) or old) else _STRONG

    def _proof_for(self, line: Line) -> str:
        """A role without a password has nothing to prove itself by but its account."""
        known = self._facts.passworded
        none = isinstance(known, Unlooked) or not known
        return "peer" if line.kind == "local" and none else _STRONG

    def _lets_others_in(self, line: Line) -> bool:
        if line.kind == "local" or line.method == "reject" or len(line.fields) < 4:
            return False
        network = network_of(line)
        if network is None:
            return not line.fields[3][0].means("samehost")
        base, mask, version = network
        return not (base >> 24 == 127 and mask >> 24 == 255) if version == 4 else base != 1

    def _is_open(self, line: Line) -> bool:
        network = network_of(line)
        return line.fields[3][0].means("all") or (network is not None and not network[1])

    def _before_others(self, at: int) -> list[str]:
        """Lines before the first, at this position, that lets other machines in."""
        return [*self._superusers_out(at), *self._by_certificate(at)]

    def _by_certificate(self, at: int) -> list[str]:
        """The roles that come by certificate, and from other machines by nothing else."""
        names = self._wanted.certificates
        who = tuple(filter(None, (named(name, self._major) for name in names)))
        if not who:
            return []
        networks = self._wanted.networks or ("all",)
        method = ((Word(network),) for network in networks)
        ways = [rendered(((Word("hostssl"),), _ALL, who, one, (Word("cert"),))) for one in method]
        rest = rendered(((Word("host"),), _ALL, who, _ALL, (Word("reject"),)))
        return [*self._from_here(names, who, at), *ways, rest]

    def _superusers_out(self, at: int) -> list[str]:
        roles = self._facts.roles
        names = () if isinstance(roles, Unlooked) else [r.name for r in roles if r.is_superuser]
        away = self._client not in (None, *_LOOPBACK)
        if not self._wanted.local_superusers or not names or away:
            return []
        who = tuple(filter(None, (named(name, self._major) for name in names)))
        if not who:
            return []
        rest = rendered(((Word("host"),), _ALL, who, _ALL, (Word("reject"),)))
        return [*self._from_here(names, who, at), rest]

    def _from_here(self, names: Sequence[str], who: Sequence[Word], at: int) -> list[str]:
        """Lines for those who get in from this machine by what is rejected from there on."""
        return [
            rendered(((Word("host"),), _ALL, who, (Word(network),), (Word(_STRONG),)))
            for address, network in _LOOPBACK.items()
            if any(self._needs_way(name, address, at) for name in names)
        ]

    def _needs_way(self, name: str, address: str, at: int) -> bool:
        asked = Asked(user=name, database="postgres", address=address, tls=False)
        asked = replace(asked, major=self._major, known=self._facts.known)
        found = first_of(self._lines, asked), first_of(self._lines[:at], asked)
        now, then = (bool(one.number) and one.method != "reject" for one in found)
        return now and not then


_ALL = (Word("all"),)
_LOOPBACK = {"127.0.0.1": "127.0.0.1/32", "::1": "::1/128"}


def rendered(fields: Sequence[Sequence[Word]]) -> str:
    """Fields as a line of the file; what has a meaning of its own is quoted where it had been."""
    said = [",".join(_written(word) for word in words) for words in fields]
    widths = (8, 16, 16, 24)
    padded = [one.ljust(width) for one, width in zip(said, widths, strict=False)]
    return " ".join([*padded, *said[len(widths) :]]).rstrip(" ")


def named(name: str, major: int) -> Word | None:
    """A name as the word that means it and nothing else; None where no word can."""
    if "\n" not in name and (major < PATTERNS_SINCE or not name.startswith("/")):
        return Word(name, quoted=True)
    if major < PATTERNS_SINCE:
        return None
    # What begins so is an expression, quoted or not, and only there a line's end can be written.
    signs = {one: f"\\u{ord(one):04x}" for one in name if one.isascii() and not one.isalnum()}
    return Word("/^" + "".join(signs.get(one, one) for one in name) + "$", quoted=True)


def _written(word: Word) -> str:
    plain = word.text and not set(word.text) & set(' \t\r,"#')
    meant = not word.quoted or not (
        word.text in _SPECIAL or word.text.startswith(("+", "@", "include"))
    )
    if plain and meant:
        return word.text
    # A quote at its begin would take the meaning from the rest.
    begin = 0 if word.quoted else 1
    return word.text[:begin] + '"' + word.text[begin:].replace('"', '""') + '"'


def outcomes(found: Sequence[Difference]) -> Mapping[str, int]:
    """How many effects are less, and how many are by another proof."""
    lost = sum(1 for one in found if one.before.lets_in and not one.after.lets_in)
    return {"no_more": lost, "otherwise": len(found) - lost}
