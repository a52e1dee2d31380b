"""What the lines of pg_hba.conf mean together: the first that fits decides, as in the server."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from agentpg.desk.security.audit.facts import Group, HbaLine

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Which kinds of connection each kind of line takes: by socket, with TLS, without.
_TAKES = {
    "local": {"socket"},
    "host": {"tls", "plain"},
    "hostssl": {"tls"},
    "hostnossl": {"plain"},
    "hostgssenc": set[str](),
    "hostnogssenc": {"tls", "plain"},
}

_EVERYWHERE = ("0.0.0.0/0", "::/0")


def network_of(line: HbaLine) -> Network | None:
    """The addresses that a line is for; None where only the server knows, as of a host's name."""
    if line.address == "all":
        return ipaddress.ip_network(_EVERYWHERE[0])
    try:
        if not line.netmask:
            return ipaddress.ip_network(line.address, strict=False)
        ones = int(ipaddress.ip_address(line.netmask)).bit_count()
        return ipaddress.ip_network(f"{line.address}/{ones}", strict=False)
    except ValueError:
        return None


def is_remote(line: HbaLine) -> bool:
    """Whether it lets in anything from beyond this machine."""
    if line.kind == "local" or line.error or line.method == "reject":
        return False
    if line.address == "samehost":
        return False
    network = network_of(line)
    return network is None or not network.network_address.is_loopback


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
    if first.error or later.error or not _TAKES.get(later.kind, set()):
        return False
    return (
        _TAKES.get(later.kind, set()) <= _TAKES.get(first.kind, set())
        and _names_cover(first.databases, later.databases, all_but=("replication",))
        and _names_cover(first.users, later.users)
        and (later.kind == "local" or _address_covers(first, later))
    )


def _names_cover(first: Sequence[str], later: Sequence[str], all_but: Sequence[str] = ()) -> bool:
    if "all" in first and not set(later) & set(all_but):
        return True
    return set(later) <= set(first)


def _address_covers(first: HbaLine, later: HbaLine) -> bool:
    if first.address == "all" or ((first.address, first.netmask) == (later.address, later.netmask)):
        return True
    wide, narrow = network_of(first), network_of(later)
    if wide is None or narrow is None or later.address == "all":
        return False
    # Of the same version, as the next line of the type checker wants to know.
    if isinstance(wide, ipaddress.IPv4Network) and isinstance(narrow, ipaddress.IPv4Network):
        return narrow.subnet_of(wide)
    if isinstance(wide, ipaddress.IPv6Network) and isinstance(narrow, ipaddress.IPv6Network):
        return narrow.subnet_of(wide)
    return False


@dataclass(frozen=True)
class Gate:
    """All lines with the memberships that they are read by."""

    lines: Sequence[HbaLine]
    groups: Sequence[Group]
    major: int

    @cached_property
    def _above(self) -> Mapping[str, set[str]]:
        """The roles that each is a member of, directly."""
        found: dict[str, set[str]] = {}
        for one in self.groups:
            found.setdefault(one.member, set()).add(one.role)
        return found

    def ways(self, role: str, database: str) -> Iterator[HbaLine]:
        """The lines by which a role gets in from beyond this machine, each once."""
        told: set[tuple[str, int]] = set()
        for line in self.lines:
            if not is_remote(line):
                continue
            for tls in ("tls", "plain"):
                decides = self._first(role, database, line, tls)
                if decides is None or decides.method == "reject" or not is_remote(decides):
                    continue
                if (decides.file, decides.number) not in told:
                    told.add((decides.file, decides.number))
                    yield decides

    def _first(self, role: str, database: str, asked: HbaLine, tls: str) -> HbaLine | None:
        """The line that decides about a connection from the addresses of `asked`."""
        for line in self.lines:
            if line.error or tls not in _TAKES.get(line.kind, set()):
                continue
            if not self._is_for_role(line, role) or not _is_for_database(line, database, role):
                continue
            if line is asked or _address_covers(line, asked):
                return line
        return None

    def _is_for_role(self, line: HbaLine, role: str) -> bool:
        return any(self._word_is_for(word, role) for word in line.users)

    def _word_is_for(self, word: str, role: str) -> bool:
        if word.startswith("+"):
            return self._is_member(role, word[1:])
        if word.startswith("/") and self.major >= 16:
            return _matches(word[1:], role)
        return word in ("all", role)

    def _is_member(self, role: str, group: str) -> bool:
        seen, left = {role}, [role]
        while left:
            one = left.pop()
            if one == group:
                return True
            more = self._above.get(one, set()) - seen
            seen |= more
            left += more
        return False


def _is_for_database(line: HbaLine, database: str, role: str) -> bool:
    # Replication is named, and no `all` means it.
    if database == "replication":
        return "replication" in line.databases
    return any(_means_database(word, database, role) for word in line.databases)


def _means_database(word: str, database: str, role: str) -> bool:
    if word.startswith("/"):
        return _matches(word[1:], database)
    return word in ("all", database) or (word == "sameuser" and role == database)


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error:
        # PostgreSQL's expressions know what Python's do not: better one finding too many.
        return True
