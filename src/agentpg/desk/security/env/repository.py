"""What git has of files with secrets, or would take; asked of git itself, for a few seconds."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from agentpg.desk.check import Unlooked
from agentpg.desk.security.env.facts import Repository
from agentpg.desk.security.env.patterns import has_key, has_password
from agentpg.language import N_
from agentpg.settings import environment_with

_SECONDS = 4

# Nothing that a repository configures is to be run on the way, or fetched; and names are wanted as
# they are, in whatever script.
_PLAIN = {
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "log.showSignature": "false",
    "submodule.recurse": "false",
    "core.quotePath": "false",
}
GIT = ("git", *(word for name, value in _PLAIN.items() for word in ("-c", f"{name}={value}")))
_VARIABLES = {"GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}

_NO_GIT = Unlooked(N_("git is not installed here"))
_TOO_LONG = Unlooked(N_("the history is too long to be searched in a few seconds"))

# By their names alone, wherever they stand.
_NAMES = (".env", ".env.*", ".pgpass", "pg_service.conf", ".pg_service.conf", "*.key")
_EXAMPLES = (".example", ".sample", ".template", ".dist")

# By what most secrets in code look like to git grep; each line is then looked at.
_LINES = (
    r"postgres(ql)?://[^[:space:]:/@]+:[^[:space:]@]+@",
    r"PASSWORD[[:space:]]+'[^']+'",
    "PRIVATE KEY-----",
    "AGE-SECRET-KEY-1",
)
_MOST = 20


class _Failed(Exception):
    """Git could not answer."""


def look_at_repository(folder: Path, secrets: Sequence[str]) -> Repository | Unlooked | None:
    """The repository around the folder; `secrets` are files in which some were found."""
    try:
        root = _git(folder, "rev-parse", "--show-toplevel")
    except FileNotFoundError:
        return _NO_GIT
    except (_Failed, subprocess.TimeoutExpired, OSError):
        return None
    top = Path(root[0])
    try:
        inside = [path for path in secrets if Path(path).resolve().is_relative_to(top.resolve())]
        tracked = _without_examples(_git(top, "ls-files", "--", *_pathspecs()))
        return Repository(
            folder=str(top),
            tracked=tracked,
            ever=_ever(top, tracked),
            not_ignored=[p for p in inside if not _is_ignored(top, p, tracked)],
            lines=_lines(top),
        )
    except (_Failed, subprocess.TimeoutExpired, OSError):
        return _TOO_LONG


def _pathspecs() -> list[str]:
    return [f":(glob)**/{name}" for name in _NAMES]


def _without_examples(paths: Sequence[str]) -> list[str]:
    return [path for path in dict.fromkeys(paths) if not path.endswith(_EXAMPLES)]


def _ever(top: Path, tracked: Sequence[str]) -> list[str] | Unlooked:
    """Files of secrets that some commit has, and that are no longer tracked."""
    asked = ("log", "--all", "--full-history", "--diff-filter=A", "--name-only", "--format=", "--")
    try:
        return [p for p in _without_examples(_git(top, *asked, *_pathspecs())) if p not in tracked]
    except (_Failed, subprocess.TimeoutExpired):
        return _TOO_LONG


def _is_ignored(top: Path, path: str, tracked: Sequence[str]) -> bool:
    """What is tracked is said elsewhere."""
    if str(Path(path).resolve().relative_to(top.resolve())) in tracked:
        return True
    try:
        _git(top, "check-ignore", "--quiet", "--", path)
    except _Failed:
        return False
    return True


def _lines(top: Path) -> list[str] | Unlooked:
    """Tracked lines that hold a secret, as file:line."""
    patterns = [word for pattern in _LINES for word in ("-e", pattern)]
    try:
        found = _git(top, "grep", "-I", "-n", "-i", "-E", *patterns)
    except _Failed:
        # None fits.
        return []
    except subprocess.TimeoutExpired:
        return _TOO_LONG
    held = []
    for line in found:
        place, _, rest = line.partition(":")
        number, _, text = rest.partition(":")
        if has_password(text) or has_key(text):
            held.append(f"{place}:{number}")
    return held


def _git(folder: Path, *arguments: str) -> list[str]:
    """The lines that git says. Raises _Failed, TimeoutExpired and FileNotFoundError."""
    done = subprocess.run(
        [*GIT, "-C", str(folder), *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_SECONDS,
        check=False,
        env=git_environment(),
    )
    if done.returncode:
        raise _Failed
    return [line for line in done.stdout.splitlines() if line]


def git_environment() -> dict[str, str]:
    """The environment for git: it writes nothing, and speaks English."""
    return {**environment_with(), **_VARIABLES}
