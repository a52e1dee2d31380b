"""What the lines of pg_hba.conf mean to an audit, by the rules of desk/hba: as the server tells
them, and from beyond this machine alone."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from agentpg.desk.hba import covering, matching
from agentpg.desk.hba.matching import Asked, Known, Match
from agentpg.desk.hba.origins import origins_of
from agentpg.desk.hba.reading import Line
from agentpg.desk.hba.rules import Rule
from agentpg.desk.security.audit.facts import Group, HbaLine

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def network_of(line: HbaLine) -> Network | None:
    """The addresses that a line is for; None where only the server knows, as of a host's name,
    and where its mask has holes."""
    if line.address == "all":
        return ipaddress.ip_network("0.0.0.0/0")
    as_read = _line(line)
    found = None if as_read is None else matching.network_of(as_read)
    if found is None:
        return None
    base, mask, version = found
    kind = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    try:
        return ipaddress.ip_network((kind(base), mask.bit_count()))
    except ValueError:
        return None


def is_remote(line: HbaLine) -> bool:
    """Whether it lets in anything from beyond this machine."""
    if line.kind == "local" or line.error or line.method == "reject":
        return False
    if line.address == "samehost":
        return False
    network = network_of(line)
    return network is None or not network.is_loopback


def address_of(line: HbaLine) -> str:
    """Where it lets in from, as people write it: 10.0.0.0/8, samenet, a host's name."""
    network = None if line.address == "all" else network_of(line)
    return str(network or line.address) or "the socket"


def is_everywhere(line: HbaLine) -> bool:
    """Whether it is for every address there is."""
    return line.address == "all" or (
        (network := network_of(line)) is not None and network.prefixlen == 0
    )


def covers(first: HbaLine, later: HbaLine) -> bool:
    """Whether nothing that fits the later line gets past the first; in doubt, not."""
    one, other = _line(first), _line(later)
    if one is None or other is None or first.error or later.error:
        return False
    return covering.covers(one, other, Known())


@dataclass(frozen=True)
class Gate:
    """All lines with the memberships that they are read by."""

    lines: Sequence[HbaLine]
    groups: Sequence[Group]
    major: int

    def ways(self, role: str, database: str) -> Iterator[HbaLine]:
        """The lines by which a role gets in from beyond this machine, each once, in their order;
        those, too, of which only the server knows whether they fit."""
        found = {(match.file, match.number) for match in self._matches(role, database)}
        for line in self.lines:
            at = line.file or "pg_hba.conf", line.number
            if at in found and line.method != "reject" and is_remote(line):
                yield line

    def _matches(self, role: str, database: str) -> Iterator[Match]:
        asked = Asked(
            user=role,
            database=database,
            address="",
            tls=False,
            # Replication is named, and no `all` means it.
            replication=database == "replication",
            major=self.major,
            local=False,
            known=Known(groups={role: frozenset(self._above(role))}),
        )
        for origin in self._outside:
            for tls in (True, False):
                here = replace(asked, address=origin, tls=tls)
                match = matching.first_of(self._read, here)
                yield from (match, *match.earlier)

    @cached_property
    def _read(self) -> Sequence[Line]:
        told = [_line(line) for line in self.lines if not line.error]
        return [line for line in told if line is not None]

    @cached_property
    def _outside(self) -> Sequence[str]:
        return [one.address for one in origins_of(self._read) if one.is_outside]

    @cached_property
    def _direct(self) -> Mapping[str, set[str]]:
        found: dict[str, set[str]] = {}
        for one in self.groups:
            found.setdefault(one.member, set()).add(one.role)
        return found

    def _above(self, role: str) -> set[str]:
        """All roles that it is a member of, itself included."""
        seen, left = {role}, [role]
        while left:
            more = self._direct.get(left.pop(), set()) - seen
            seen |= more
            left += more
        return seen


def _line(said: HbaLine) -> Line | None:
    rule = Rule(
        file=said.file,
        number=said.number,
        kind=said.kind or None,
        databases=[*said.databases],
        roles=[*said.users],
        address=said.address or None,
        mask=said.netmask or None,
        method=said.method or None,
        options=[*said.options],
        error=said.error or None,
    )
    return rule.line()
