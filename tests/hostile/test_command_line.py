"""The command line, in this process: it ends with codes of ours and shows no secret."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings, strategies as st

from agentpg.cli.running import run
from agentpg.db import Database
from agentpg.settings import Settings, known_variables, load_settings
from agentpg.tasks.client import Client
from tests.cli.conftest import home, installed
from tests.hostile.inputs import ARGUMENT, HUNDRED

__all__ = ["home", "installed"]

# What meets no server says the same on all of them; the others try no SQL that others do not.
ALONE, SERVED = pytest.mark.without_server, pytest.mark.one_server

CODES = {0, 1, 2, 3, 4, 5, 6}


def called(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a call said; it ends as one of ours does, and by no error that nobody expected."""
    capsys.readouterr()
    code = run(list(arguments))
    out, err = capsys.readouterr()
    assert code in CODES, arguments
    assert "Traceback" not in out + err, arguments
    assert "unexpected error" not in err, (arguments, err)
    assert not Path("owned").exists(), arguments
    return out + err


@ALONE
@HUNDRED
@given(given_ones=st.lists(ARGUMENT, min_size=1, max_size=3), noun=st.sampled_from(
    ["task", "schedule", "agent", "security", "backup", "config", "tune", "notify", "doctor", ""]
))  # fmt: skip
def test_no_argument_breaks_a_command(
    home: Path, capsys: pytest.CaptureFixture[str], noun: str, given_ones: list[str]
) -> None:
    called(capsys, *filter(None, [noun]), *given_ones)


@SERVED
@HUNDRED
@given(agent=ARGUMENT, kind=ARGUMENT, payload=ARGUMENT, option=st.sampled_from(
    ["--key", "--tenant", "--delay", "--priority", "--run-at", "--max-attempts"]
), value=ARGUMENT)  # fmt: skip
def test_no_task_breaks_it(
    installed: Database, home: Path, capsys: pytest.CaptureFixture[str],
    agent: str, kind: str, payload: str, option: str, value: str,
) -> None:  # fmt: skip
    if payload == "-":  # standard input, which is not ours here
        payload = "--"
    called(capsys, "task", "submit", f"{option}={value}", "--", agent, kind, payload)


@SERVED
@HUNDRED
@given(verb=st.sampled_from(["show", "cancel", "retry", "hold", "release", "wait"]), task=ARGUMENT)
def test_no_id_breaks_it(
    installed: Database, home: Path, capsys: pytest.CaptureFixture[str], verb: str, task: str
) -> None:
    called(capsys, "task", verb, "--", task)


@ALONE
@HUNDRED
@given(data=st.data())
def test_no_setting_breaks_a_command_or_shows_a_secret(
    home: Path, capsys: pytest.CaptureFixture[str], data: st.DataObject
) -> None:
    variable = data.draw(st.sampled_from(sorted(known_variables())))
    value = data.draw(ARGUMENT)
    with patch.dict(os.environ, {variable: value, "AGENTPG_NOTIFY_SMTP_PASSWORD": "hunter3"}):
        said = called(capsys, "config", "show", "--json")
        said += called(capsys, "config", "check")
    assert "hunter3" not in said
    if "hunter2" in value:
        fields = Settings.model_fields
        option = known_variables()[variable]
        extra = fields[option].json_schema_extra
        assert isinstance(extra, dict)
        assert not extra["secret"] or "hunter2" not in said


@ALONE
@HUNDRED
@given(before=ARGUMENT, after=ARGUMENT)
def test_no_dsn_breaks_a_command_or_shows_its_password(
    home: Path, capsys: pytest.CaptureFixture[str], before: str, after: str
) -> None:
    for dsn in (
        f"host=/nonexistent password=hunter2 {after}",
        f"postgresql://u:hunter2@localhost:1/d?connect_timeout=1&{after}",
    ):
        with patch.dict(os.environ, {"AGENTPG_DSN": dsn, "PGCONNECT_TIMEOUT": "1"}):
            assert "hunter2" not in called(capsys, "--schema", before or "a", "task", "list")


@ALONE
@settings(HUNDRED, max_examples=50)  # two files each
@given(content=st.one_of(st.binary(max_size=60), ARGUMENT.map(str.encode)), name=ARGUMENT)
def test_no_file_breaks_a_command(
    home: Path, capsys: pytest.CaptureFixture[str], content: bytes, name: str
) -> None:
    path = Path("given")
    path.write_bytes(content)
    path.chmod(0o600)
    for given_one in (str(path), name or "x"):
        with patch.dict(
            os.environ, {"AGENTPG_SEAL_KEY_FILE": given_one, "AGENTPG_DSN": "host=/no"}
        ):
            called(capsys, "security", "key", "rotate", "--use", "x")
        called(capsys, "task", "submit", "A", "t", f"@{given_one}")
        called(capsys, "security", "audit", "--undo", given_one)
        called(capsys, "monitor", "sizes", "--since", given_one)


@SERVED
def test_nothing_stored_drives_a_terminal(
    installed: Database, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A result or an error with control characters is shown with these made visible."""
    evil = "\x1b]0;owned\x07\x1b[2J\u202e\r"
    with Client(installed, settings=load_settings()) as client:
        task = client.submit("A", "t", {evil: evil})
        client.cancel(task, reason=evil)
    for arguments in (("task", "show", str(task)), ("task", "list"), ("status",)):
        said: Any = called(capsys, *arguments)
        assert "\x1b]" not in said
        assert "\x07" not in said
        assert "\x1b[2J" not in said
        assert "\r" not in said
    document = json.loads(called(capsys, "task", "show", str(task), "--json"))
    assert document["payload"] == {evil: evil}
