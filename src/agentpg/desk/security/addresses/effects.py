"""What pg_hba.conf does, whatever it says: who gets in from where, by which line and how.

Roles and databases that no line tells apart are one: their effects are computed once. Origins are
the socket, loopback, one address of each network that a line names, and one of none of them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from agentpg.desk.check import Unlooked
from agentpg.desk.hba.matching import Asked, Match, first_of, line_fits, network_of
from agentpg.desk.hba.reading import Field, Line, Word
from agentpg.desk.security.addresses.facts import Facts, Role

REPLICATION = "replication"

# Kept for documentation by RFC 5737 and RFC 3849: nobody's, so that they stand for anybody's.
_ANYBODY = {4: "203.0.113.7", 6: "2001:db8::7"}
_LOOPBACK = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Origin:
    """From where somebody comes: an address that stands for its network; empty for the socket."""

    label: str
    address: str

    @property
    def is_outside(self) -> bool:
        """Whether it is another machine's."""
        return bool(self.address) and not ipaddress.ip_address(self.address).is_loopback


@dataclass(frozen=True, slots=True)
class Effect:
    """The line that decides for these roles, databases, origin and encryption."""

    roles: tuple[Role, ...]
    databases: tuple[str, ...]
    origin: Origin
    tls: bool
    match: Match

    @property
    def lets_in(self) -> bool:
        """Whether the line lets anybody in, by whatever proof."""
        return self.match.number > 0 and self.match.method != "reject"


def origins_of(lines: Sequence[Line]) -> tuple[Origin, ...]:
    """All that the file tells apart, from the nearest to the farthest."""
    found = {"": Origin("socket", "")} | {one: Origin(one, one) for one in _LOOPBACK}
    for line in lines:
        network = network_of(line)
        if network is not None and network[1]:
            origin = _within(*network)
            found.setdefault(origin.address, origin)
    versions = {network[2] for network in map(network_of, lines) if network}
    for version in (4, 6):
        if version == 4 or version in versions or any(_takes_all(line) for line in lines):
            found.setdefault(_ANYBODY[version], Origin(f"other IPv{version}", _ANYBODY[version]))
    return tuple(found.values())


def effects(
    facts: Facts, lines: Sequence[Line] | None = None, beside: Sequence[Line] = ()
) -> tuple[Effect, ...]:
    """Every effect of these lines, by default of those that are there; none where who may log in
    is not known. What the lines `beside` them tell apart is told apart too, for comparing."""
    if lines is None:
        lines = () if isinstance(facts.lines, Unlooked) else facts.lines
    if isinstance(facts.roles, Unlooked) or isinstance(facts.databases, Unlooked):
        return ()
    if isinstance(facts.server, Unlooked):
        return ()
    told = _Told(lines, (*lines, *beside), facts.server.has_tls)
    base = Asked(
        user="",
        database="",
        address="",
        tls=False,
        major=facts.server.major,
        local=not isinstance(facts.folder, Unlooked),
        known=facts.known,
    )
    return tuple(_effects(told, facts.roles, facts.databases, base))


@dataclass(frozen=True, slots=True)
class _Told:
    """The lines that decide, those by which roles, databases and origins are told apart, and
    whether there is TLS."""

    lines: Sequence[Line]
    apart: Sequence[Line]
    has_tls: bool


def _effects(
    told: _Told, roles: Sequence[Role], databases: Sequence[str], asked: Asked
) -> Iterator[Effect]:
    for alike in _alike_roles(told.apart, roles, databases, asked):
        own = replace(asked, user=alike[0].name)
        for names in _alike_databases(told.apart, databases, own):
            yield from _from_everywhere(told, replace(own, database=names[0]), alike, names)
        if alike[0].is_powerful:
            yield from _from_everywhere(told, replace(own, replication=True), alike, (REPLICATION,))


def _from_everywhere(
    told: _Told, asked: Asked, roles: tuple[Role, ...], databases: tuple[str, ...]
) -> Iterator[Effect]:
    for origin in origins_of(told.apart):
        for tls in (False, True) if origin.address and told.has_tls else (False,):
            here = replace(asked, address=origin.address, tls=tls)
            yield Effect(roles, databases, origin, tls, first_of(told.lines, here))


def _alike_roles(
    lines: Sequence[Line], roles: Sequence[Role], databases: Sequence[str], asked: Asked
) -> list[tuple[Role, ...]]:
    """Those that the lines do not tell apart."""
    found: dict[object, list[Role]] = {}
    fields = sorted({line.roles for line in lines}, key=str)
    own = _own_names(lines)
    for role in roles:
        one = replace(asked, user=role.name)
        key = (
            tuple(_fits_roles(field, one) for field in fields),
            frozenset(role.groups) & frozenset(databases) if own else None,
            role.name in databases and own,
            role.is_superuser,
            role.replicates,
        )
        found.setdefault(key, []).append(role)
    return [tuple(alike) for alike in found.values()]


def _alike_databases(
    lines: Sequence[Line], databases: Sequence[str], asked: Asked
) -> list[tuple[str, ...]]:
    found: dict[object, list[str]] = {}
    fields = sorted({line.databases for line in lines}, key=str)
    for name in databases:
        one = replace(asked, database=name)
        key = tuple(_fits_databases(field, one) for field in fields)
        found.setdefault(key, []).append(name)
    return [tuple(alike) for alike in found.values()]


def _own_names(lines: Sequence[Line]) -> bool:
    special = ("sameuser", "samerole", "samegroup")
    return any(word.text in special for line in lines for word in line.databases)


def _takes_all(line: Line) -> bool:
    return line.kind != "local" and len(line.fields) > 3 and line.fields[3][0].means("all")


_ALL: Field = (Word("all"),)


def _fits_roles(field: Field, asked: Asked) -> bool | None:
    return line_fits(Line("", 1, "", ((Word("local"),), _ALL, field, (Word("x"),))), asked)


def _fits_databases(field: Field, asked: Asked) -> bool | None:
    return line_fits(Line("", 1, "", ((Word("local"),), field, _ALL, (Word("x"),))), asked)


def _within(base: int, mask: int, version: int) -> Origin:
    """The network by an address in it: its first one that may be a machine's."""
    kind = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    bits = 32 if version == 4 else 128
    free = ((1 << bits) - 1) ^ mask
    address = str(kind(base | (free & -free)))
    length = mask.bit_count()
    whole = mask == ((1 << bits) - 1) ^ (((1 << bits) - 1) >> length)
    label = f"{kind(base)}/{length}" if whole else f"{kind(base)} {kind(mask)}"
    return Origin(label, address)
