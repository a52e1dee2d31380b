"""`agentpg security`: what it says, writes and changes, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agentpg.cli.wrapping import cell_width
from agentpg.db import Database
from agentpg.embedded import EmbeddedServer
from tests.cli.conftest import Call
from tests.desk.security.conftest import faulty_home, reloaded

pytestmark = pytest.mark.one_server

__all__ = ["faulty_home", "reloaded"]


@pytest.fixture
def home(
    faulty_home: tuple[EmbeddedServer, Path], reloaded: Database, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The home of a private server with much that is wrong."""
    monkeypatch.setenv("AGENTPG_HOME", str(faulty_home[1]))
    monkeypatch.setenv("HOME", str(Path.cwd()))
    return faulty_home[1]


def test_it_says_what_is_wrong_as_text_json_and_files(call: Call, home: Path) -> None:
    called = call("security", "audit", "--html", "audit.html", "--sarif", "audit.sarif", "--json")
    document = json.loads(called.out)
    assert called.code == 5
    codes = {(one["code"], one["level"]) for one in document["rooms"]["security"]}
    assert ("A02", "critical") in codes
    assert document["rooms"]["security"][0]["source"]
    assert "audit.html" in called.err
    assert "A02" in Path("audit.html").read_text(encoding="utf-8")
    assert json.loads(Path("audit.sarif").read_text(encoding="utf-8"))["version"] == "2.1.0"


def test_a_baseline_decides_how_it_ends(call: Call, home: Path) -> None:
    entry = '[[accepted]]\ncode = "{}"\nowner = "kim"\nreason = "a test"\nuntil = {}\n'
    found = json.loads(call("security", "audit", "--json").out)["rooms"]["security"]
    bad = {one["code"] for one in found if one["level"] != "ok"}
    text = "".join(entry.format(code, "2999-01-01") for code in sorted(bad))
    Path("accepted.toml").write_text(text, encoding="utf-8")
    called = call("security", "audit", "--baseline", "accepted.toml")
    assert called.code == 0
    assert "accepted: A02 line 4: a test (kim, until 2999-01-01)" in called.out
    expired = text.replace(entry.format("A02", "2999-01-01"), entry.format("A02", "2020-01-01"))
    Path("accepted.toml").write_text(expired, encoding="utf-8")
    called = call("security", "audit", "--baseline", "accepted.toml")
    assert called.code == 5
    assert "no longer accepted: A02: a test (kim, until 2020-01-01)" in called.out
    Path("accepted.toml").write_text("[[accepted]]", encoding="utf-8")
    assert call("security", "audit", "--baseline", "accepted.toml").code == 2


def test_it_does_what_is_safe_and_takes_it_back(call: Call, home: Path) -> None:
    before = _bad(call)
    called = call("security", "audit", "--fix", "--yes")
    assert called.code == 5
    assert "A45: " in called.out
    [undo] = list((home / "undo").glob("security-*.sql"))
    after = _bad(call)
    assert ("A45", "log_connections") in before - after
    assert ("A14", "") in before - after
    assert ("A27", "public") in after, "what needs care is not done"
    assert call("security", "audit", "--undo", str(undo)).code == 0
    undo.unlink()
    assert _bad(call) == before


def _bad(call: Call) -> set[tuple[str, str]]:
    said = json.loads(call("security", "audit", "--json").out)["rooms"]["security"]
    return {(one["code"], one["subject"]) for one in said if one["level"] not in ("ok", "info")}


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("columns", [80, 120])
def test_it_fits_the_terminal(
    call: Call, home: Path, monkeypatch: pytest.MonkeyPatch, lang: str, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    called = call("--lang", lang, "security", "audit", "--all")
    too_long = [line for line in called.out.splitlines() if cell_width(line) > columns]
    # Commands and SQL are to be copied, and stay in one line.
    assert [line for line in too_long if not line.startswith("      ")] == []


def test_env_needs_no_server_and_shows_no_secret(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    secret = "nEG7ru2Xwl0"
    env = Path(".env")
    env.write_text(f"OPENAI_API_KEY={secret}\n", encoding="utf-8")
    env.chmod(0o644)
    called = call("--home", str(tmp_path / "home"), "security", "env", "--all")
    assert called.code == 5
    assert "E01 critical" in called.out
    assert "OPENAI_API_KEY" not in called.out
    assert secret not in called.out + called.err


def test_the_doctor_has_a_room_for_it(call: Call, home: Path) -> None:
    called = call("doctor", "security", "--json")
    codes = {one["code"] for one in json.loads(called.out)["rooms"]["security"]}
    assert called.code == 5
    assert {"A02", "A45", "E01", "E09"} <= codes
