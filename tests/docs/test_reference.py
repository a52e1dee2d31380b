"""The reference is the one that the code makes, and the words are those of the code."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from agentpg import errors
from agentpg.cli.command import Taught
from agentpg.cli.root import root
from agentpg.cli.session import Session
from agentpg.tasks.model import Outcome, TaskStatus
from tests.docs.pages import ROOT, read

pytestmark = pytest.mark.without_server

GLOSSARY = ROOT / "docs/reference/glossary.md"
ENGINE = ROOT / "src/agentpg/tasks/README.md"


def test_the_reference_is_current() -> None:
    done = subprocess.run(
        [sys.executable, "tools/generate_reference.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_error_is_listed_once() -> None:
    page = (ROOT / "docs/reference/errors.md").read_text(encoding="utf-8")
    kinds = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.AgentpgError)
    }
    assert len(kinds) > 100
    assert sorted(re.findall(r"^\| `(\w+)`", page, re.MULTILINE)) == sorted(kinds)


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("## States of a task", [s.value for s in TaskStatus]),
        ("## Outcomes of an execution", [o.value for o in Outcome]),
    ],
)
def test_the_glossary_has_every_state_and_outcome(heading: str, words: list[str]) -> None:
    section = GLOSSARY.read_text(encoding="utf-8").partition(heading)[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)) == sorted(words)


def test_the_drawing_of_the_states_names_all_and_no_other() -> None:
    [drawing] = [b.text for b in read(ENGINE).blocks() if b.language == "mermaid"]
    drawn = set(re.findall(r"^ +(\w+) -->|--> (\w+)", drawing, re.MULTILINE))
    assert {name for pair in drawn for name in pair if name} == {s.value for s in TaskStatus}


def _commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _commands(below, f"{path} {name}")


def _examples() -> Iterator[str]:
    """Every line of every help's examples that calls agentpg."""
    for _, command in _commands(root, "agentpg"):
        text = command.examples.replace("\\\n", "") if isinstance(command, Taught) else ""
        yield from (line for line in text.splitlines() if line.startswith("agentpg "))


@pytest.mark.parametrize("line", sorted(set(_examples())))
def test_the_examples_of_the_help_are_valid(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are parsed to the end, and nothing is done."""
    words = shlex.split(line, comments=True)
    arguments = words[1 : next((n for n, w in enumerate(words) if w in "|>&&||<"), len(words))]
    monkeypatch.setattr(click.Path, "convert", lambda self, value, param, ctx: value)
    _parse(root, "agentpg", arguments, None)


def _parse(
    command: click.Command, name: str, arguments: list[str], parent: click.Context | None
) -> None:
    session = parent.obj if parent else Session()
    context = command.make_context(name, list(arguments), parent=parent, obj=session)
    left = [*context._protected_args, *context.args]
    if isinstance(command, click.Group) and left:
        below, found, rest = command.resolve_command(context, left)
        assert found is not None
        _parse(found, str(below), rest, context)
