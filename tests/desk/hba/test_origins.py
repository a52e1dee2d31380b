"""One address for each place that lines tell apart; lines that are written anew mean the same."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from agentpg.desk.hba.matching import Asked, first_of
from agentpg.desk.hba.origins import origins_of
from agentpg.desk.hba.reading import Field, Line, lines_in
from agentpg.desk.security.addresses.proposing import named, rendered
from tests.desk.hba.strategies import HOSTILE

pytestmark = pytest.mark.without_server

_QUICK = settings(max_examples=120, deadline=None, database=None, derandomize=True)
_NOWHERE = Path("/nonexistent/pg_hba.conf")


def lines_of(text: str, major: int = 18) -> list[Line]:
    return [*lines_in(text, _NOWHERE, major)]


def test_a_wide_network_is_looked_at_beside_the_narrow_one_in_it() -> None:
    lines = lines_of(
        "host all all 10.0.0.0/24 reject\nhost all all 10.0.0.0/8 trust\n"
        "host all all 203.0.113.0/24 reject\nhost all all 0.0.0.0/0 md5\n"
    )
    methods = {
        origin.label: first_of(
            lines, Asked(user="kim", database="d", address=origin.address, tls=False)
        ).method
        for origin in origins_of(lines)
        if origin.is_outside
    }
    assert methods == {
        "10.0.0.0/24": "reject",
        "10.0.0.0/8": "trust",
        "203.0.113.0/24": "reject",
        "other IPv4": "md5",
    }


_NETWORK = st.builds(
    lambda base, length: str(ipaddress.ip_network((base, length), strict=False)),
    st.integers(0, 255).map(lambda n: f"10.{n % 4}.{n // 4 % 4}.{n // 16}"),
    st.sampled_from([0, 1, 7, 8, 14, 15, 16, 22, 23, 24, 30, 31, 32]),
)


@_QUICK
@given(networks=st.lists(_NETWORK, min_size=1, max_size=9), number=st.integers(0, 2**32 - 1))
def test_every_address_is_stood_for(networks: list[str], number: int) -> None:
    lines = lines_of("".join(f"host all all {one} md5\n" for one in networks))
    known = [ipaddress.ip_network(one) for one in networks]
    inside = [known[number % len(known)][number % known[number % len(known)].num_addresses]]

    def place(address: object) -> set[str]:
        return {str(one) for one in known if ipaddress.ip_address(str(address)) in one}

    addresses = [one.address for one in origins_of(lines)]
    told = [place(one) for one in addresses if one and ":" not in one]
    for address in (*inside, ipaddress.ip_address(number)):
        assert place(address) in told


@_QUICK
@given(text=HOSTILE, major=st.sampled_from([15, 18]))
def test_a_line_that_is_written_anew_means_the_same(text: str, major: int) -> None:
    for line in lines_of(text.replace("include", "x").replace("@", "_"), major):
        [again] = lines_of(rendered(line.fields), major)
        assert _meant(again.fields) == _meant(line.fields)


def _meant(fields: tuple[Field, ...]) -> list[list[tuple[str, bool]]]:
    """The words, and whether quotes keep a meaning from them; elsewhere quotes mean nothing."""
    special = ("all", "sameuser", "samerole", "samegroup", "replication", "samehost", "samenet")
    return [
        [(one.text, one.quoted and one.text.startswith(("+", "@", *special))) for one in field]
        for field in fields
    ]


_NAMES = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=20)
_TRICKS = st.sampled_from(
    ["all", "+team", "/^k", "@file", "a\nhost all all all trust", '"', "a\\", "#", "include", " "]
)


@_QUICK
@given(name=_NAMES | _TRICKS, major=st.sampled_from([15, 18]))
def test_a_role_is_named_alone_whatever_it_is_called(name: str, major: int) -> None:
    word = named(name, major)
    if word is None:
        assert major < 16
        return
    [before] = lines_of("host all x all trust")
    [line] = lines_of(rendered((*before.fields[:2], (word,), *before.fields[3:])), major)
    assert [one.text for field in line.fields for one in field if one is not word][:2] == [
        "host",
        "all",
    ]
    assert line.method == "trust"
    [written] = line.roles
    assert _meant(((written,),)) == _meant(((word,),))
    assert word.text == name or word.text.startswith("/^")


def test_a_line_in_the_name_of_a_role_is_no_line() -> None:
    word = named("x\nhost all all all trust #", 18)
    assert word is not None
    assert "\n" not in rendered(((word,),))
    assert named("x\nhost all all all trust #", 15) is None
