"""`agentpg server` starts, shows, opens and stops a real server."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Call
from tests.db.test_connect import ASTRAY
from tests.servers import PG_BIN, Reaper, remove_server


@pytest.fixture
def server_home(home: Path, reaper: Reaper, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder `home` whose server is removed afterwards."""
    monkeypatch.setenv("AGENTPG_PG_BIN", PG_BIN)
    reaper.watch(home)
    yield home
    remove_server(home)


@pytest.mark.one_server
def test_a_server_from_start_to_stop(call: Call, call_process: Call, server_home: Path) -> None:
    started = call("server", "start")
    assert started.code == 0, started.err
    assert "agentpg server psql" in started.out
    assert f"passfile={server_home}" in started.out
    assert str(server_home) in started.out
    again = json.loads(call("server", "start", "--json").out)
    status = json.loads(call("server", "status", "--json").out)
    assert status["running"] is True
    assert again.items() >= status.items()

    dsn = call("server", "dsn").out.strip()
    assert dsn == again["dsn"]
    assert "password=" not in dsn

    asked = call_process("server", "psql", "-At", "-c", "SELECT current_user, current_database()")
    assert (asked.code, asked.out) == (0, "admin|agentic_ai\n"), asked.err
    assert json.loads(call("config", "check", "--json").out)["role"] == "admin"

    psql_stays_on_the_server(call_process)
    what_the_doctor_says_to_type_works(call, call_process, dsn)

    assert call("server", "stop").out == "The server has stopped.\n"
    stopped = call("server", "status")
    assert stopped.code == 3
    assert "stopped" in stopped.out
    for arguments in (["server", "psql"], ["server", "dsn"], ["config", "check"]):
        refused = call(*arguments)
        assert refused.code == 3
        assert "Start it with `agentpg server start`." in refused.err
    told = call("monitor", "metrics")
    assert told.code == 0
    assert "\npg_up 0.0\n" in told.out


def what_the_doctor_says_to_type_works(call: Call, call_process: Call, dsn: str) -> None:
    """The private server lets in who knows its passwords, as psql by itself does not."""
    wrong = {"C24": f"{dsn} password=wrong", "C28": f"{dsn} dbname=nowhere"}
    for code, said in wrong.items():
        document = json.loads(call("doctor", "connection", said, "--json").out)
        [first, *_] = document["rooms"]["connection"]
        assert first["code"] == code
        typed = [one["command"] for one in first["remedies"] if "psql" in one["command"]]
        assert typed
        for command in typed:
            # It would ask for the new password.
            _, *arguments = shlex.split(re.sub(r"\\password [^']+", "SELECT 1", command))
            ran = call_process(*arguments)
            assert ran.code == 0, (command, ran.err)
    assert call_process("server", "psql", "-d", "nowhere", "-c", "SELECT 1").code == 0


def psql_stays_on_the_server(call_process: Call) -> None:
    """Another database or role is fine, another server is refused; variables change nothing."""
    query = ("-At", "-c", "SELECT current_user, current_database()")
    for arguments, answer in (
        (("-d", "postgres"), "admin|postgres\n"),
        (("-U", "postgres"), "postgres|agentic_ai\n"),
        (("postgres", "postgres"), "postgres|postgres\n"),
    ):
        asked = call_process("server", "psql", *query, *arguments, **ASTRAY, PGSERVICE="none")
        assert (asked.code, asked.out) == (0, answer), asked.err
    for away in (
        "-hlocalhost",
        "--host=localhost",
        "-Atp5432",
        "-dhost=localhost",
        "--dbname=postgresql://localhost/postgres",
        "service=other",
    ):
        refused = call_process("server", "psql", *query, away)
        assert (refused.code, refused.out) == (2, ""), away
        assert "psql stays on the private server" in refused.err


def test_before_the_first_start_nothing_runs(call: Call, server_home: Path) -> None:
    status = call("server", "status")
    assert status.code == 3
    assert "not started yet" in status.out
    assert json.loads(call("server", "status", "--json").out)["running"] is False
    assert call("server", "dsn").code == 3
    assert call("server", "stop").out == "The server was not running.\n"
    assert not server_home.exists()


def test_binaries_that_are_missing_are_said(
    call: Call, server_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTPG_PG_BIN", "/no/such/folder")
    called = call("server", "start")
    assert called.code == 1
    assert "/no/such/folder" in called.err
    assert "AGENTPG_PG_BIN" in called.err


def test_an_unknown_mode_is_wrong_usage(call: Call) -> None:
    called = call("server", "stop", "--mode", "gently")
    assert called.code == 2
    assert "'smart', 'fast', 'immediate'" in called.err
