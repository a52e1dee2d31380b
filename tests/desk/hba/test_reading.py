"""pg_hba.conf is read as the server reads it, whatever is in it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from psycopg.rows import dict_row

from agentpg.db import Database, connect
from agentpg.desk.hba.matching import Asked, first_of, network_of
from agentpg.desk.hba.reading import Line, numeric, read_lines
from agentpg.embedded import EmbeddedServer
from agentpg.embedded.account import choose_account
from tests.desk.hba.strategies import ANYTHING, HOSTILE
from tests.servers import Mould, OwnServers, Reaper

_NEVER_TWICE = settings(
    max_examples=150,
    deadline=None,
    database=None,
    derandomize=True,
    # To make a file smaller that a server has to read each time takes minutes.
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def server(
    reaper: Reaper, mould: Mould, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedServer]:
    servers = OwnServers(tmp_path_factory.mktemp("hba"), reaper, mould)
    one = servers()
    one.start()
    yield one
    servers.close()


@pytest.mark.without_server
@_NEVER_TWICE
@given(text=ANYTHING, user=st.text(max_size=20))
def test_nothing_in_a_file_makes_it_fail(tmp_path: Path, text: str, user: str) -> None:
    file = tmp_path / "pg_hba.conf"
    file.write_bytes(text.replace("@", "_").encode("utf-8", "surrogateescape"))
    # What is included may be missing, as may be what a line names.
    lines = [*read_lines(file, 15)]
    for address in ("", "10.1.2.3", "fe80::1%lo"):
        asked = Asked(user=user, database="d", address=address, tls=False, major=18)
        first_of(lines, asked)


@settings(_NEVER_TWICE, max_examples=5)
@given(written=st.lists(HOSTILE, min_size=60, max_size=60))
def test_the_server_reads_the_same(server: EmbeddedServer, written: list[str]) -> None:
    data = server.status().data
    file = data / "pg_hba.conf"
    # A line that begins as an include would bring the server to other files.
    kept = [line for line in written if not line.lstrip(' \t\r,"').startswith("include")]
    file.write_text("\n".join(kept) + "\n", encoding="utf-8", newline="")
    choose_account(data).own(file)
    ours = {line.number: line for line in read_lines(file)}
    theirs = {row["line_number"]: row for row in _rules(server)}
    understood = {number for number, row in theirs.items() if row["type"]}
    assert ours.keys() >= theirs.keys()
    told = {number: _told(ours[number]) for number in understood}
    assert told == {number: _said(theirs[number]) for number in understood}
    assert understood


def _rules(server: EmbeddedServer) -> list[dict[str, Any]]:
    with connect(Database(server.dsn("postgres"))) as connection:
        rows = connection.cursor(row_factory=dict_row)
        return rows.execute(b"SELECT * FROM pg_hba_file_rules").fetchall()


def _told(line: Line) -> tuple[object, ...]:
    return (
        line.kind,
        [word.text for word in line.databases],
        [word.text for word in line.roles],
        line.method,
        network_of(line),
    )


def _said(row: dict[str, Any]) -> tuple[object, ...]:
    named = (row["type"], row["database"], row["user_name"], row["auth_method"])
    address, mask = str(row["address"]), str(row["netmask"])
    if not row["netmask"] or numeric(address) is None:
        return *named, None
    base, bits = (int(ipaddress.ip_address(one.partition("%")[0])) for one in (address, mask))
    return *named, (base & bits, bits, ipaddress.ip_address(mask).version)
