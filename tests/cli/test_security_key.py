"""`agentpg security key`: from the first key to its end, with real values in a real database."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from agentpg.db import Database
from agentpg.settings import load_settings
from agentpg.tasks.client import Client
from tests.cli.conftest import Call

pytestmark = pytest.mark.one_server


@pytest.fixture
def keys(call: Call, installed: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of keys, which the settings name."""
    path = tmp_path / "seal.keys"
    assert call("security", "key", "create", str(path)).code == 0
    monkeypatch.setenv("AGENTPG_SEAL_KEY_FILE", str(path))
    monkeypatch.setenv("AGENTPG_SEAL", "*")
    return path


def names(path: Path) -> list[str]:
    return [line.partition(":")[0] for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_key_from_its_making_to_its_end(call: Call, installed: Database, keys: Path) -> None:
    [first] = names(keys)
    secret = keys.read_text(encoding="utf-8").strip().partition(":")[2]
    assert call("task", "submit", "Greeter", "greet", '{"name": "hunter2"}').code == 0
    with Client(installed, settings=load_settings()) as client:
        [task] = client.find()
    said = call("task", "show", str(task.id))
    assert "hunter2" in said.out

    assert call("security", "key", "rotate", "--prepare").code == 0
    assert names(keys) == [first, f"{first}.2"]
    assert call("security", "key", "rotate", "--use", f"{first}.2").code == 0
    assert names(keys) == [f"{first}.2", first]
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600

    refused = call("security", "key", "drop", first)
    assert refused.code == 4
    assert "values are still sealed with it" in refused.err
    shown = json.loads(call("security", "key", "show", "--json").out)
    assert shown["sealed"] == [{"column": "tasks.payload", "key": first, "values": 1}]

    done = call("security", "key", "reseal", "--json")
    assert json.loads(done.out) == {"values": 1, "unopened": 0, "missed": 0}
    assert call("security", "key", "drop", f"{first}.2").code == 4  # it is the one that seals
    assert call("security", "key", "drop", first).code == 0
    assert names(keys) == [f"{first}.2"]
    everything = "".join(one.out + one.err for one in (said, refused, done))
    assert secret not in everything
    assert "tasks.payload" in call("security", "key", "show").out


def test_without_the_key_a_task_is_shown_as_sealed(
    call: Call, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("task", "submit", "Greeter", "greet", '{"name": "hunter2"}')
    [task] = json.loads(call("task", "list", "--json").out)
    assert task["payload"] == {"name": "hunter2"}
    monkeypatch.delenv("AGENTPG_SEAL")
    monkeypatch.delenv("AGENTPG_SEAL_KEY_FILE")
    shown = call("task", "show", task["id"])
    assert shown.code == 0
    assert "(sealed) it is sealed with the key" in shown.out
    document = json.loads(call("task", "show", task["id"], "--json").out)
    assert document["payload"]["key"] == names(keys)[0]
    korean = call("--lang", "ko", "task", "show", task["id"])
    assert "(봉인됨)" in korean.out


def test_what_is_refused(call: Call, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys.read_bytes()
    assert call("security", "key", "create", str(keys)).code == 4
    assert call("security", "key", "rotate", "--use", "none").code == 2
    assert call("security", "key", "drop", "none").code == 2
    assert call("security", "key", "reseal", "--off").code == 2  # nobody can be asked
    assert call("security", "key", "reseal", "--off", "--plain").code == 2
    assert keys.read_bytes() == before
    keys.chmod(0o644)
    wide = call("task", "list")
    assert wide.code == 2
    assert "chmod 600" in wide.err
    monkeypatch.delenv("AGENTPG_SEAL_KEY_FILE")
    assert "there are rules of what to seal" in call("task", "list").err
    assert call("security", "key", "rotate").code == 2
