"""Each finding of addresses is made for real, names the culprit, and goes."""

from __future__ import annotations

import pytest

from agentpg.db import connect
from agentpg.desk.security.addresses.effects import REPLICATION, effects
from tests.desk.addresses.conftest import Guarded

pytestmark = pytest.mark.xdist_group("addresses")

_WAY_IN = "host all all 127.0.0.1/32 scram-sha-256\n"


@pytest.mark.parametrize(
    ("code", "line", "level", "said"),
    [
        ("L03", "local all all trust", "warning", "pg_hba.conf:2"),
        ("L03", "host all admin 10.1.2.0/24 trust", "critical", "10.1.2.0/24"),
        ("L04", "host all admin 10.1.2.0/24 password", "critical", "password"),
        ("L04", "local all all md5", "warning", "md5"),
        ("L05", "host all admin 0.0.0.0/0 scram-sha-256", "warning", "0.0.0.0/0"),
        ("L06", "host all admin 10.1.2.0/24 scram-sha-256", "warning", "without encryption"),
        ("L07", "host all all 10.1.2.0/24 scram-sha-256", "warning", "postgres"),
        ("L08", "host all admin 127.0.0.1/32 reject", "warning", "line 1"),
        ("L08", "host all admin 127.0.0.0 255.255.255.255 md5", "", ""),
        ("L01", "host all all 10.0.0.0/33 md5", "critical", "pg_hba.conf:2"),
    ],
)
def test_a_line_is_judged_by_what_it_does(
    guarded: Guarded, code: str, line: str, level: str, said: str
) -> None:
    guarded.write(f"{_WAY_IN}{line}\n")
    found = guarded.found(code)
    assert [one.level for one in found] == ([level] if level else []), found
    assert all(said in one.message() for one in found), found
    guarded.write(guarded.former)
    assert guarded.found(code) == []


def test_a_wide_line_after_a_reject_is_no_finding(guarded: Guarded) -> None:
    guarded.write(f"{_WAY_IN}host all all 10.0.0.0/8 reject\nhost all all 10.1.0.0/16 trust\n")
    assert guarded.found("L03") == []


def test_who_may_copy_the_whole_cluster_is_told_apart(guarded: Guarded) -> None:
    guarded.write(f"{_WAY_IN}host replication postgres 10.1.2.0/24 scram-sha-256\n")
    found = [one for one in effects(guarded.facts()) if REPLICATION in one.databases]
    assert {(one.origin.label, one.match.number) for one in found if one.lets_in} == {
        ("10.1.2.0/24", 2)
    }


def test_groups_and_expressions_are_asked_of_the_server(guarded: Guarded) -> None:
    with connect(guarded.superuser()) as connection:
        connection.execute(b"CREATE ROLE team; CREATE ROLE kim_1 LOGIN IN ROLE team")
        try:
            guarded.write(f"{_WAY_IN}host all +team 10.1.2.0/24 trust\n")
            [by_group] = guarded.found("L03")
            assert by_group.evidence["roles"] == "kim_1"
            if connection.info.server_version >= 160000:
                guarded.write(f"{_WAY_IN}host all /^kim_[[:digit:]]$ 10.1.2.0/24 trust\n")
                [by_pattern] = guarded.found("L03")
                assert by_pattern.evidence["roles"] == "kim_1"
        finally:
            connection.execute(b"DROP ROLE kim_1; DROP ROLE team")


def test_a_role_without_a_way_in_and_a_file_that_does_not_hold_yet(guarded: Guarded) -> None:
    guarded.write("local all all scram-sha-256\nhost all postgres 127.0.0.1/32 scram-sha-256\n")
    guarded.hba.write_text("local all postgres trust\nhost all postgres all trust\n")
    assert [one.evidence["roles"] for one in guarded.found("L09")] == ["admin"]
    guarded.write(guarded.former)
    guarded.hba.write_text(f"{guarded.former}# later\n", encoding="utf-8")
    assert [one.code for one in guarded.found("L02")] == ["L02"]


def test_who_may_not_see_says_unknown(guarded: Guarded) -> None:
    with connect(guarded.superuser()) as connection:
        connection.execute(b"CREATE ROLE blind LOGIN PASSWORD 'x'")
    try:
        from agentpg.desk.security.addresses.findings import find
        from agentpg.desk.security.addresses.looking import look_at_addresses
        from agentpg.desk.security.addresses.policy import policy_of
        from agentpg.settings import load_settings

        settings = load_settings(home=guarded.home / "nothing")
        database = guarded.database.as_role("blind")
        database = type(database)(f"{database.dsn} password=x", database.schema)
        said = find(look_at_addresses(database, settings), policy_of(settings))
        # The file itself is on this machine.
        unknown = {one.code for one in said if one.level == "unknown"}
        assert unknown >= {"L01", "L14"}
        assert not unknown & {"L03", "L05"}
    finally:
        with connect(guarded.superuser()) as connection:
            connection.execute(b"DROP ROLE blind")
