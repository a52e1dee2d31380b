"""What a reader's terminals do: commands in order, and some that stay."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.waiting import eventually

_PATIENCE_SECONDS = 60

# What the program `timeout` reports.
_TOO_LONG = 124

# Runs one command and leaves the folder and the environment for the next one.
_STEP = """
set -aeuo pipefail
trap 'pwd > "$AFTER/folder"; env -0 > "$AFTER/environment"' EXIT
eval "$COMMAND"
"""


@dataclass(frozen=True, slots=True)
class Done:
    """What a command printed, on both streams, and its exit code."""

    printed: str
    code: int


class Terminal:
    """A shell whose folder and variables go on from one command to the next."""

    def __init__(self, folder: Path, environment: dict[str, str], after: Path) -> None:
        self.folder = folder
        self.environment = environment
        self._after = after

    def run(self, command: str) -> Done:
        """Run a command to its end."""
        process = subprocess.Popen(
            ["bash", "-c", _STEP],
            cwd=self.folder,
            env={**self.environment, "COMMAND": command, "AFTER": str(self._after)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            printed, _ = process.communicate(timeout=_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            printed, _ = process.communicate()
            return Done(f"{printed}\n(it took too long)", _TOO_LONG)
        self._remember()
        return Done(printed, process.returncode)

    def _remember(self) -> None:
        self.folder = Path((self._after / "folder").read_text(encoding="utf-8").rstrip("\n"))
        pairs = (self._after / "environment").read_text(encoding="utf-8").split("\0")
        variables = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        for ours in ("COMMAND", "AFTER", "_", "SHLVL"):
            variables.pop(ours, None)
        self.environment = variables


class Staying:
    """A command in a terminal of its own, until Ctrl-C."""

    def __init__(
        self, command: str, folder: Path, environment: dict[str, str], output: Path
    ) -> None:
        self.command = command
        self._output = output
        with output.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_for(self, text: str) -> None:
        """Wait until it has printed `text`."""
        eventually(
            lambda: text in self.printed() or self._process.poll() is not None,
            timeout=_PATIENCE_SECONDS,
            message=f"{self.command} has not printed {text!r}",
        )
        assert text in self.printed(), f"{self.command} ended:\n{self.printed()}"

    def printed(self) -> str:
        """What it has printed so far."""
        return self._output.read_text(encoding="utf-8")

    def end(self) -> int:
        """Type Ctrl-C and wait; kill it if it does not end. Its exit code."""
        try:
            self._send(signal.SIGINT)
            return self._process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._send(signal.SIGKILL)
            return self._process.wait()

    def _send(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, number)


def commands(text: str) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with the output that is shown for it."""
    typed: list[str] = []
    shown: list[str] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            if typed:
                yield "\n".join(typed), "\n".join(shown)
            typed, shown = [line[2:]], []
        elif typed and not shown and (line.startswith("> ") or line == ">"):
            typed.append(line[2:])
        elif typed:
            shown.append(line)
        else:
            raise ValueError(f"a console block begins with $, not with {line!r}")
    if typed:
        yield "\n".join(typed), "\n".join(shown)
