"""Which peers there are, and how their programs are started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
VENV = FOLDER / ".venv"

# Ours runs where the harness runs; the peers' packages are kept apart from it.
OURS = "agentpg"
ORDER = (OURS, "pgqueuer", "procrastinate")

_PATIENCE_SECONDS = 600


class PeerFailed(Exception):
    """A peer's program did not do what it was asked."""


@dataclass(frozen=True, slots=True)
class Competitor:
    """A peer as the harness sees it: a command, and what `describe` said."""

    key: str
    name: str
    version: str
    language: str
    settings: str
    unfinished: str
    finished: str

    def command(self, *arguments: str) -> list[str]:
        """How to start its program."""
        return [*_program(self.key), *arguments]

    def ask(self, environment: dict[str, str], *arguments: str) -> list[dict[str, Any]]:
        """Run one of its commands to the end; the answers. Raises PeerFailed."""
        return _ask(self.command(*arguments), environment)


def competitors(keys: list[str]) -> list[Competitor]:
    """These peers, ours first. Raises PeerFailed for one that is not installed."""
    return [
        Competitor(key=key, **_ask([*_program(key), "describe"], {})[0])
        for key in ORDER
        if key in keys
    ]


def environment_for(variables: dict[str, str]) -> dict[str, str]:
    """The environment of a peer's program: no setting of ours or of libpq but the given."""
    foreign = ("AGENTPG_", "PG", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**kept, **variables}


def _program(key: str) -> list[str]:
    python = sys.executable if key == OURS else str(VENV / "bin" / "python")
    return [python, "-m", f"benchmarks.peers.{key}"]


def _ask(command: list[str], variables: dict[str, str]) -> list[dict[str, Any]]:
    try:
        done = subprocess.run(
            command,
            env=environment_for(variables),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
            check=True,
        )
    except FileNotFoundError:
        raise PeerFailed("the peers are not installed: python -m benchmarks --install") from None
    except subprocess.CalledProcessError as error:
        raise PeerFailed(f"{' '.join(command)} failed:\n{error.stderr[-2000:]}") from None
    return [json.loads(line) for line in done.stdout.splitlines()]
