"""`agentpg user` and `agentpg security log`: what a person types, and what is never shown."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

from agentpg.db import Database
from agentpg.users.account import Account
from agentpg.users.login import authenticate, authenticate_token
from tests.cli.conftest import Call
from tests.schema.old import run as run_sql

pytestmark = pytest.mark.one_server

GOOD = "four unlikely words here"


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_an_account_from_its_first_day_to_its_last(
    call: Call, installed: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = json.loads(call("user", "add", "kim", "--role", "admin", "--generate", "--json").out)
    account = authenticate(installed, "kim", made["password"])
    assert isinstance(account, Account)
    assert account.must_change
    type_in(monkeypatch, f"{GOOD}\n")
    assert call("user", "password", "kim", "--password-stdin").code == 0
    account = authenticate(installed, "kim", GOOD)
    assert isinstance(account, Account)
    assert not account.must_change
    assert call("user", "add", "ci", "--role", "viewer", "--no-password").code == 0
    refused = call("user", "token", "ci", "--name", "build", "--scope", "tasks:submit")
    assert refused.code == 2
    assert "tasks:read" in refused.err
    assert call("user", "role", "ci", "--role", "operator").code == 0
    called = call("user", "token", "ci", "--name", "build", "--scope", "tasks:submit")
    token = called.out.strip()
    assert re.fullmatch(r"apg_[0-9A-Za-z]{49}", token)
    assert isinstance(authenticate_token(installed, token), Account)
    shown = call("user", "show", "ci")
    assert "build" in shown.out
    assert token not in shown.out + shown.err
    assert call("user", "disable", "ci", "--reason", "gone").code == 0
    assert call("user", "disable", "kim").code == 4
    assert "gone" in call("user", "show", "ci").out
    assert [one["state"] for one in json.loads(call("user", "list", "--json").out)] == [
        "active", "disabled",
    ]  # fmt: skip
    everything = call("security", "log", "show", "--json").out
    assert GOOD not in everything
    assert token not in everything
    assert made["password"] not in everything


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("password", "kim"), "nobody can be asked"),
        (("password", "kim", "--password-stdin"), "too weak"),
        (("password", "nobody", "--generate"), "no account nobody"),
        (("add", "Kim Park", "--role", "viewer", "--no-password"), "'Kim Park'"),
        (("add", "kim", "--role", "viewer", "--no-password"), "already"),
        (("token", "kim"), "--scope"),
        (("token", "kim", "--revoke", "x"), "no token x"),
        (("add", "lee", "--role", "viewer", "--no-password", "--generate"), "--no-password"),
    ],
)
def test_what_cannot_be_is_said(
    call: Call,
    installed: Database,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    said: str,
) -> None:
    assert call("user", "add", "kim", "--role", "viewer", "--no-password").code == 0
    type_in(monkeypatch, "kimkimkimkimkimkim\n")
    called = call("user", *arguments)
    assert called.code in (1, 2)
    assert said in called.err
    assert "Traceback" not in called.err


def test_the_log_is_shown_verified_and_kept_elsewhere(
    call: Call, installed: Database, tmp_path: Path
) -> None:
    assert call("agent", "pause", "Greeter", "--reason", "down").code == 0
    assert call("agent", "resume", "Greeter").code == 0
    shown = call("security", "log", "show", "--action", "agent")
    assert re.search(r"agent\.pause.*Greeter", shown.out)
    assert "reason: down" in shown.out
    [entry] = json.loads(call("security", "log", "show", "--action", "agent.pause", "--json").out)
    assert (entry["program"], entry["database_role"]) == ("agentpg agent pause", "admin")
    assert "@" in entry["os_user"]

    verdict = json.loads(call("security", "log", "verify", "--json").out)
    assert (verdict["ok"], verdict["entries"]) == (True, 2)
    path = tmp_path / "log.jsonl"
    assert call("security", "log", "export", "--to", str(path)).code == 0
    assert path.stat().st_mode & 0o777 == 0o600
    anchor = verdict["anchor"]
    assert call("security", "log", "verify", "--file", str(path), "--expect", anchor).code == 0
    # Cut off with its head, as a superuser could: what was seen from here tells.
    run_sql(
        installed,
        "ALTER TABLE audit_log DISABLE TRIGGER USER; ALTER TABLE audit_head DISABLE TRIGGER USER;"
        "DELETE FROM audit_log WHERE number > 1; UPDATE audit_head SET number = 1,"
        " hash = (SELECT hash FROM audit_log);"
        "ALTER TABLE audit_log ENABLE TRIGGER USER; ALTER TABLE audit_head ENABLE TRIGGER USER",
    )
    called = call("security", "log", "verify")
    assert called.code == 5
    assert "entry 2 is missing" in called.out or "2 to" in called.out
    assert call("security", "log", "verify", "--expect", anchor, "--begin-anew").code == 5
    assert call("security", "log", "verify", "--begin-anew").code == 0
    assert call("security", "log", "verify").code == 0
    assert call("security", "log", "verify", "--expect", "nonsense").code == 2


def test_an_entry_that_cannot_be_written_is_said_and_stops_nothing(
    call: Call, installed: Database, tmp_path: Path
) -> None:
    run_sql(installed, "DROP TABLE audit_log CASCADE")
    called = call("notify", "silence", "room=disk", "--for", "1h", "--reason", "moved")
    assert called.code == 0
    assert "audit log" in called.err
