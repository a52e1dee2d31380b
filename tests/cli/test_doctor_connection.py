"""`agentpg doctor connection`: the ladder, the finding, and what is never said."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentpg.cli.wrapping import cell_width
from agentpg.db import Database
from tests.cli.conftest import Call

pytestmark = pytest.mark.one_server


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that refuses: it is taken, and nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_all_steps_are_shown_where_all_is_well(call: Call, installed: Database) -> None:
    called = call("doctor", "connection")
    assert called.code == 0
    for step in ("✓ read", "✓ connected", "✓ answered", "✓ authenticated"):
        assert f"  {step}" in called.out
    assert "C00 ok: admin gets in at 127.0.0.1:" in called.out


def test_a_string_on_the_command_line_is_used_without_any_setting(
    call: Call, closed_port: int
) -> None:
    called = call("doctor", "connection", f"postgresql://me@127.0.0.1:{closed_port}/work")
    assert called.code == 5
    assert f"✗ connected      127.0.0.1:{closed_port}: refused, in" in called.out
    assert "  · authenticated\n" in called.out
    assert f"critical: nothing listens at 127.0.0.1:{closed_port}" in called.out


def test_without_a_database_it_is_wrong_usage(call: Call) -> None:
    called = call("doctor", "connection")
    assert called.code == 2
    assert "no database" in called.err


@pytest.mark.parametrize(
    "dsn",
    [
        "host=127.0.0.1 port={port} user=me password=hunter2",
        "postgresql://me:hunter2@127.0.0.1:{port}/work",
        "postgresql://me:hu/nter2@127.0.0.1:{port}/work",
        "postgresql://me:nter2@hu@127.0.0.1:{port}/work",
        "host=127.0.0.1 hunter2",
        "host=127.0.0.1 password=hunter2 wort=1",
    ],
)
@pytest.mark.parametrize("form", ["text", "--json"])
def test_no_secret_is_said(call: Call, closed_port: int, dsn: str, form: str) -> None:
    options = ["--json"] if form == "--json" else []
    called = call("doctor", "connection", dsn.format(port=closed_port), *options)
    assert called.code == 5
    assert "nter2" not in called.out + called.err
    assert "hunter2" not in called.out + called.err


def test_json_has_the_steps_and_the_cause(call: Call, closed_port: int) -> None:
    called = call("doctor", "connection", f"host=127.0.0.1 port={closed_port}", "--json")
    document = json.loads(called.out)
    assert called.code == 5
    assert document["target"] == f"127.0.0.1:{closed_port}"
    assert [step["state"] for step in document["steps"]] == [
        "done",
        "stopped",
        "ahead",
        "ahead",
        "ahead",
    ]
    [cause, *_] = document["rooms"]["connection"]
    assert cause["level"] == "critical"
    assert cause["remedies"]
    assert cause["proof"]


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("columns", [80, 120])
def test_it_fits_the_terminal(
    call: Call, closed_port: int, monkeypatch: pytest.MonkeyPatch, lang: str, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    dsn = f"host=127.0.0.1 port={closed_port} user=me dbname=a_database_with_quite_a_long_name"
    called = call("--lang", lang, "doctor", "connection", dsn)
    lines = called.out.splitlines()
    commands = [line for line in lines if line.startswith("      ")]
    assert commands
    too_long = [line for line in lines if cell_width(line) > columns and line not in commands]
    assert too_long == []
    assert ("연결" in called.out) is (lang == "ko")


@pytest.mark.parametrize("command", [("doctor", "connection", ""), ("--dsn", "", "status")])
def test_an_empty_string_is_no_other_database(
    call: Call, installed: Database, command: tuple[str, ...]
) -> None:
    """It comes of a variable that is not set: good news of the configured one would mislead."""
    called = call(*command)
    assert called.code == 2
    assert "it is empty" in called.err


def test_a_stopped_server_that_would_not_be_there_is_not_to_blame(
    call: Call, tmp_path: Path
) -> None:
    """Such as the one that Debian has made at port 5432."""
    for place in (f"host={tmp_path / 'nowhere'}", "host=127.0.0.1 port=1"):
        called = call("doctor", "connection", place)
        assert called.code == 5
        assert "pg_ctlcluster" not in called.out
