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
NODE_FOLDER = FOLDER / "peers" / "node"

# Ours runs where the harness runs; the peers' packages are kept apart from it.
OURS = "agentpg"
IN_PYTHON = ("pgqueuer", "procrastinate", "chancy", "absurd", "dbos")
IN_NODE = ("graphile", "pgboss")
ORDER = (OURS, "pgqueuer", "graphile", "pgboss", "chancy", "absurd", "dbos", "procrastinate")

# Those that work off a hundred thousand tasks in seconds; the others get fewer.
FAST = (OURS, "pgqueuer", "graphile", "pgboss")

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
    history: str | None

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


def node_program() -> Path | None:
    """The Node that the lock names for this machine, if it is installed."""
    found = sorted(NODE_FOLDER.glob("node_modules/node-linux-*/bin/node"))
    return found[0] if found else None


def _program(key: str) -> list[str]:
    if key in IN_NODE:
        return [str(node_program()), str(NODE_FOLDER / f"{key}.mjs")]
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
