"""From where connections come, as far as lines tell it apart: one address for each such place."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from agentpg.desk.hba.matching import network_of
from agentpg.desk.hba.reading import Line

# A network as its number, its mask, and its version.
_Network = tuple[int, int, int]

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


def origins_of(lines: Sequence[Line]) -> tuple[Origin, ...]:
    """All that the lines tell apart, from the nearest to the farthest.

    Each network is stood for by an address that is in none of the narrower ones; one that these
    fill is no place of its own.
    """
    found = [Origin("socket", ""), *(Origin(one, one) for one in _LOOPBACK)]
    loopback = [_one(address) for address in _LOOPBACK]
    named = [network for line in lines if (network := network_of(line)) is not None]
    networks = list(dict.fromkeys([*loopback, *named]))
    for network in networks[len(loopback) :]:
        address = _apart(network, networks, ())
        if network[1] and address is not None:
            found.append(Origin(_label(network), address))
    versions = {4, *(network[2] for network in named)}
    if any(_takes_all(line) for line in lines):
        versions.add(6)
    for version in sorted(versions):
        anybody = int(ipaddress.ip_address(_ANYBODY[version]))
        address = _apart((0, 0, version), networks, (anybody,))
        if address is not None:
            found.append(Origin(f"other IPv{version}", address))
    return tuple(found)


def _apart(network: _Network, all_of_them: Sequence[_Network], first: Iterable[int]) -> str | None:
    """An address of the network that is in none of the narrower ones; None where there is none."""
    narrower = [one for one in all_of_them if one != network and _is_inside(one, network)]
    for number in (*first, *_candidates(network, narrower)):
        inside = _has(network, number)
        if inside and not any(_has(one, number) for one in narrower):
            return str(_address(number, network[2]))
    return None


def _candidates(network: _Network, narrower: Sequence[_Network]) -> Iterator[int]:
    """Its first address that may be a machine's, its ends, and those beside the narrower ones.

    Of networks as they are usually written, one of these is free where any is.
    """
    base, mask, version = network
    free = _ones(version) ^ mask
    yield base | (free & -free)
    yield base | free
    yield base
    for inner, inner_mask, _ in narrower:
        rest = _ones(version) ^ inner_mask
        yield (inner | rest) + 1
        yield inner - 1
        # Where a mask has holes: all bits of the narrower one, but for one that it asks for.
        for bit in range(_bits(version)):
            if inner_mask >> bit & 1 and not mask >> bit & 1:
                yield inner ^ (1 << bit)


def _is_inside(one: _Network, network: _Network) -> bool:
    same = one[2] == network[2] and one[1] & network[1] == network[1]
    return same and one[0] & network[1] == network[0]


def _has(network: _Network, number: int) -> bool:
    return 0 <= number <= _ones(network[2]) and number & network[1] == network[0]


def _one(address: str) -> _Network:
    found = ipaddress.ip_address(address)
    return int(found), _ones(found.version), found.version


def _label(network: _Network) -> str:
    base, mask, version = network
    length = mask.bit_count()
    whole = mask == _ones(version) ^ (_ones(version) >> length)
    rest = f"/{length}" if whole else f" {_address(mask, version)}"
    return f"{_address(base, version)}{rest}"


def _address(number: int, version: int) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.IPv4Address(number) if version == 4 else ipaddress.IPv6Address(number)


def _bits(version: int) -> int:
    return 32 if version == 4 else 128


def _ones(version: int) -> int:
    return (1 << _bits(version)) - 1


def _takes_all(line: Line) -> bool:
    return line.kind != "local" and len(line.fields) > 3 and line.fields[3][0].means("all")
