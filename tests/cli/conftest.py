"""Calling the command line, within this process or as a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentpg.cli.running import run
from agentpg.db import Database
from tests.waiting import eventually


@dataclass(frozen=True, slots=True)
class Called:
    """What one call gave."""

    code: int
    out: str
    err: str


Call = Callable[..., Called]


def take_interrupts() -> None:
    """As in a terminal, also where these tests run in the background of a shell."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Running:
    """One `agentpg …` that goes on, with all that it writes in a file."""

    def __init__(self, arguments: tuple[str, ...], log: Path) -> None:
        self._log = log
        with log.open("w", encoding="utf-8") as target:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "agentpg", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=target,
                stderr=target,
                start_new_session=True,
                preexec_fn=take_interrupts,  # noqa: PLW1509 - it takes no lock
            )

    @property
    def text(self) -> str:
        """All that was written so far."""
        return self._log.read_text(encoding="utf-8")

    def says(self, text: str, timeout: float = 20.0) -> None:
        """Wait until it has written `text`."""
        eventually(lambda: text in self.text or self._ended(text), timeout, f"says {text!r}")

    def tell(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def ends(self, timeout: float = 20.0) -> int:
        """Wait for its exit code."""
        return self.process.wait(timeout)

    def end(self) -> None:
        """End it with all its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _ended(self, text: str) -> bool:
        if self.process.poll() is not None and text not in self.text:
            raise AssertionError(f"it ended without saying {text!r}:\n{self.text}")
        return False


@pytest.fixture
def launch(home: Path, tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start an `agentpg …` that goes on; it is ended with the test."""
    started: list[Running] = []

    def launching(*arguments: str) -> Running:
        started.append(Running(arguments, tmp_path / f"process-{len(started)}.log"))
        return started[-1]

    yield launching
    for running in started:
        running.end()


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
