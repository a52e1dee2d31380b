"""Files of keys: whose they must be, what they hold, and that no error shows any of it."""

from __future__ import annotations

import stat
from datetime import date
from pathlib import Path

import pytest

from agentpg.errors import FileNotWritten, SealingKeysUnusable, SealingKeyThere
from agentpg.sealing import (
    Keyring,
    create_key_file,
    new_key,
    read_key_file,
    read_keys,
    replace_key_file,
    sealer_of,
)
from agentpg.settings import load_settings

pytestmark = pytest.mark.without_server

DAY = date(2026, 11, 29)


def test_a_file_gives_back_its_keys_and_is_its_owners_alone(tmp_path: Path) -> None:
    first = new_key(DAY)
    second = new_key(DAY, (first.name,))
    assert (first.name, second.name) == ("2026-11-29", "2026-11-29.2")
    path = tmp_path / "seal.keys"
    create_key_file(path, Keyring((first,)))
    replace_key_file(path, Keyring((second, first)))
    assert read_key_file(path) == Keyring((second, first))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_no_key_is_written_over_nor_through_a_link(tmp_path: Path) -> None:
    path = tmp_path / "seal.keys"
    path.write_text("mine", encoding="utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for taken in (path, tmp_path / "link"):
        with pytest.raises(SealingKeyThere):
            create_key_file(taken, Keyring((new_key(DAY),)))
    assert path.read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(FileNotWritten):
        create_key_file(tmp_path / "no" / "folder", Keyring((new_key(DAY),)))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_use_is_not_taken(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "seal.keys"
    create_key_file(path, Keyring((new_key(DAY),)))
    path.chmod(mode)
    with pytest.raises(SealingKeysUnusable, match="others than its owner") as caught:
        read_key_file(path)
    assert caught.value.advice() == f"Run `chmod 600 {path}`."


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing",
        "name",
        "name:",
        "NAME:" + "A" * 43 + "=",
        "name:" + "A" * 42 + "==",
        "name:" + "A" * 44 + "AAAA",
        "name:not base64 hunter2",
        "a:hunter2é",
        f"a:{'A' * 43}= a:{'B' * 43}=",
    ],
)
def test_what_is_no_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(SealingKeysUnusable) as caught:
        read_keys(text, "AGENTPG_SEAL_KEYS")
    said = f"{caught.value} {caught.value.advice()} {caught.value!r}"
    assert "hunter2" not in said
    assert "AAAA" not in said


def test_a_key_shows_itself_nowhere() -> None:
    key = new_key(DAY)
    secret = key.line().partition(":")[2]
    assert secret not in repr(Keyring((key,)))
    settings = load_settings(seal="*", seal_keys=key.line())
    sealer = sealer_of(settings)
    assert sealer is not None
    assert secret not in repr(sealer)
    assert str(key.secret) not in repr(sealer)


def test_the_settings_name_the_keys(tmp_path: Path) -> None:
    assert sealer_of(load_settings()) is None
    with pytest.raises(SealingKeysUnusable, match="AGENTPG_SEAL: there are rules"):
        sealer_of(load_settings(seal="*"))
    path = tmp_path / "seal.keys"
    create_key_file(path, Keyring((new_key(DAY),)))
    only_opens = sealer_of(load_settings(seal_key_file=str(path)))
    assert only_opens is not None
    assert not only_opens.covers("Billing", "invoice", "payload")
    with pytest.raises(SealingKeysUnusable, match="No such file"):
        sealer_of(load_settings(seal_key_file=str(tmp_path / "none")))
