"""The threat model names its tests, and these are there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.without_server

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "SECURITY.md"

_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_CODE = re.compile(r"`([^`]+)`")


def named() -> list[tuple[str, str]]:
    """The tests that the page names, as file and function."""
    return sorted(set(_NAMED.findall(PAGE.read_text(encoding="utf-8"))))


@cache
def functions_in(path: Path) -> set[str]:
    module = ast.parse(path.read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(module) if isinstance(node, functions)}


@pytest.mark.parametrize(("file", "name"), named())
def test_a_test_that_is_named_is_there(file: str, name: str) -> None:
    path = ROOT / file
    assert path.is_file(), f"{file} is not there"
    assert name in functions_in(path), f"{file} has no {name}"


def test_every_row_has_a_test_or_says_that_it_is_not_defended() -> None:
    rows = [
        line
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and line.count(" | ") >= 3 and "---" not in line
    ]
    rows = [row for row in rows if not row.rstrip("| ").endswith("shown by")]
    assert len(rows) >= 25
    for row in rows:
        assert "**not defended**" in row or _NAMED.search(row), row


def test_every_role_is_in_it() -> None:
    said = set(_CODE.findall(PAGE.read_text(encoding="utf-8")))
    assert {"agent", "client", "monitor", "backup", "web", "readonly", "admin"} <= {
        word.partition(" ")[0] for word in said
    }
