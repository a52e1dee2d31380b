"""Calling the command line, within this process or as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentpg.cli.running import run
from agentpg.db import Database


@dataclass(frozen=True, slots=True)
class Called:
    """What one call gave."""

    code: int
    out: str
    err: str


Call = Callable[..., Called]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder `home` of the test's calls: without a private server."""
    folder = tmp_path / "home"
    monkeypatch.setenv("AGENTPG_HOME", str(folder))
    monkeypatch.setenv("COLUMNS", "80")
    return folder


@pytest.fixture
def call(home: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run `agentpg …` in this process."""

    def calling(*arguments: str) -> Called:
        capsys.readouterr()
        code = run(list(arguments))
        out, err = capsys.readouterr()
        return Called(code, out, err)

    return calling


@pytest.fixture
def call_process(home: Path) -> Call:
    """Run `agentpg …` as a process of its own."""

    def calling(*arguments: str, **variables: str) -> Called:
        done = subprocess.run(
            [sys.executable, "-m", "agentpg", *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, **variables},
            check=False,
        )
        return Called(done.returncode, done.stdout, done.stderr)

    return calling


@pytest.fixture
def installed(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A fresh database with the schema, which the calls use."""
    monkeypatch.setenv("AGENTPG_DSN", database.dsn)
    monkeypatch.setenv("AGENTPG_SCHEMA", database.schema)
    return database
