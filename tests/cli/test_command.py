"""Help opens nothing, teaches by example, fits 80 columns, and speaks the reader's language."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from agentpg.cli.command import Taught, first_sentence, summary
from agentpg.cli.root import NOUNS, root
from agentpg.cli.wrapping import cell_width
from tests.cli.conftest import Call
from tests.test_language import commands

pytestmark = pytest.mark.without_server

COMMANDS = dict(commands())
HEAVY = ("psycopg", "psycopg_pool", "openai", "anthropic", "jinja2", "genai_prices")


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_and_every_parameter_is_explained(path: str) -> None:
    command = COMMANDS[path]
    assert summary(command), f"{path} has no help"
    context = click.Context(command)
    silent = [p.name for p in command.get_params(context) if not getattr(p, "help", None)]
    assert silent == [], f"{path}: without help"


@pytest.mark.parametrize("path", COMMANDS)
def test_every_help_ends_with_examples(path: str) -> None:
    lines = COMMANDS[path].examples.splitlines()
    assert lines, f"{path} has no examples"
    assert any(path in line for line in lines), f"{path} does not show itself"


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("path", COMMANDS)
def test_every_help_fits_80_columns(call: Call, path: str, lang: str) -> None:
    called = call(*path.split()[1:], "--lang", lang, "--help")
    assert called.code == 0
    assert "\nExamples:" in called.out or "\n예:" in called.out
    assert [line for line in called.out.splitlines() if cell_width(line) > 80] == []


def test_the_nouns_say_what_their_help_says() -> None:
    wrong = {
        name: summary(command)
        for name, noun in NOUNS.items()
        if (command := COMMANDS.get(f"agentpg {name}")) and summary(command) != noun.summary
    }
    assert wrong == {}, "change the summary in NOUNS of cli/root.py, or the docstring"


@pytest.mark.parametrize(
    "arguments", [["--help"], ["config", "show", "--help"], ["server", "--help"], ["--version"]]
)
def test_help_imports_no_driver_and_no_vendor(arguments: list[str], home: Path) -> None:
    assert _imported(arguments) & set(HEAVY) == set()


def test_completion_imports_no_driver_and_no_vendor(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_AGENTPG_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "agentpg conf")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert _imported([]) & set(HEAVY) == set()


def _imported(arguments: list[str]) -> set[str]:
    code = (
        "import json, sys\n"
        "from agentpg.cli.running import run\n"
        "try:\n"
        f"    run({arguments!r})\n"
        "finally:\n"
        "    print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_help_works_with_broken_settings(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTPG_NO_SUCH_THING", "1")
    Path(".env").write_text("AGENTPG_LEASE=never\nAGENTPG_LANG=ko\n", encoding="utf-8")
    assert call("--help").code == 0
    assert call("config", "show", "--help").code == 0


def test_broken_settings_are_reported_in_the_language_of_the_environment(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTPG_LANG", "ko")
    monkeypatch.setenv("AGENTPG_LEESE", "30s")
    called = call("config", "show")
    assert called.code == 2
    assert "그런 설정은 없습니다" in called.err
    assert "AGENTPG_LEASE 아닙니까?" in called.err


def test_a_global_option_may_stand_anywhere(call: Call) -> None:
    expected = call("--schema", "other", "config", "show").out
    assert "other" in expected
    assert call("config", "--schema", "other", "show").out == expected
    assert call("config", "show", "--schema", "other").out == expected


def test_another_option_is_no_value(call: Call) -> None:
    for option in ("--apply", "--undo"):
        called = call("tune", "indexes", option, "--yes")
        assert (called.code, f"the option {option} needs a value" in called.err) == (2, True)
    assert call("tune", "indexes", "--undo=--yes").err.startswith("agentpg: cannot read --yes")


def test_help_is_in_the_language_that_is_asked_for(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("config", "show", "--help").out.startswith("Usage: agentpg config show [OPTIONS]")
    for arguments in (["--lang", "ko"], []):
        called = call("config", "show", *arguments, "--help")
        assert called.out.startswith("사용법: agentpg config show [OPTIONS]")
        assert "옵션:" in called.out
        monkeypatch.setenv("LANG", "ko_KR.UTF-8")


def test_the_summary_is_the_first_sentence() -> None:
    command = Taught("x", help="Do this. And also\nthat.\n\nMore.", examples="agentpg x")
    assert summary(command) == "Do this. And also that."
    assert first_sentence(summary(command)) == "Do this"


def test_completion_offers_commands_with_their_meaning(call_process: Call) -> None:
    completed = call_process(
        _AGENTPG_COMPLETE="zsh_complete", COMP_WORDS="agentpg config sh", COMP_CWORD="2"
    )
    assert completed.out.splitlines() == [
        "plain",
        "show",
        "Show every setting with its value and where it comes from",
    ]


def test_the_root_lists_only_nouns_that_exist() -> None:
    context = click.Context(root)
    assert all(root.get_command(context, name) for name in root.list_commands(context))
    assert root.get_command(context, "no-such-noun") is None
