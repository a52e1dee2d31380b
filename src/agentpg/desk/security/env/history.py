"""Secrets in all that was ever committed: each content of a file is read once, whatever its names.

Of git's own commands `log -p` reads a line as often as it was moved, and `grep` one commit at a
time; the contents themselves are far fewer. Detectors such as detect-secrets look at one working
tree, line by line, and do not know PostgreSQL's own forms.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Set as AbstractSet
from pathlib import Path

from agentpg.desk.check import Unlooked
from agentpg.desk.security.env.facts import Committed, History
from agentpg.desk.security.env.patterns import SUSPICIOUS, kind_of
from agentpg.desk.security.env.repository import GIT, git_environment
from agentpg.language import N_

# A repository of a gigabyte takes about half a minute.
_SECONDS = 120.0

# What is larger is data, and what has a zero byte is no text.
_LARGEST = 1024 * 1024
_LONGEST_LINE = 4096

# So many are worth to be told; each asks git for its commit.
_MOST = 50

_NO_GIT = Unlooked(N_("git is not installed here"))
_FAILED = Unlooked(N_("git could not read its history"))


def search_history(
    folder: Path, known: AbstractSet[str], seconds: float = _SECONDS
) -> History | Unlooked:
    """Search every branch, tag, stash and reflog of the repository around the folder."""
    end = time.monotonic() + seconds
    try:
        top = _lines(folder, "rev-parse", "--show-toplevel")[0]
        paths = _contents(Path(top))
        return _search(Path(top), paths, known, end)
    except FileNotFoundError:
        return _NO_GIT
    except (subprocess.SubprocessError, OSError, ValueError, IndexError):
        return _FAILED


def _search(top: Path, paths: dict[str, str], known: AbstractSet[str], end: float) -> History:
    found: list[Committed] = []
    read, whole = 0, True
    secrets = [secret.encode() for secret in known]
    for name, content in _read(top, list(paths)):
        read += 1
        if b"\0" in content or not _suspected(content, secrets):
            pass
        elif len(found) < _MOST:
            found += _held(top, name, paths[name], content, known)
        if time.monotonic() > end:
            whole = read == len(paths)
            break
    return History(found=tuple(found[:_MOST]), contents=read, whole=whole)


def _suspected(content: bytes, secrets: list[bytes]) -> bool:
    return SUSPICIOUS.search(content) is not None or any(one in content for one in secrets)


def _held(
    top: Path, name: str, path: str, content: bytes, known: AbstractSet[str]
) -> Iterator[Committed]:
    """Its lines that hold a secret; one of each kind is enough to look at it."""
    kinds: dict[str, int] = {}
    for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
        kind = kind_of(line[:_LONGEST_LINE], known)
        if kind:
            kinds.setdefault(kind, number)
    commit = _first_commit(top, name) if kinds else ""
    for kind, number in kinds.items():
        yield Committed(path=path, line=number, commit=commit, kind=kind)


def _first_commit(top: Path, name: str) -> str:
    asked = ("log", "--all", "--reflog", "--topo-order", "--format=%h", f"--find-object={name}")
    try:
        commits = _lines(top, *asked)
    except (subprocess.SubprocessError, OSError):
        return ""
    return commits[-1] if commits else ""


def _contents(top: Path) -> dict[str, str]:
    """Every content that is small enough, with one of its paths."""
    listed = (
        line.partition(" ") for line in _lines(top, "rev-list", "--objects", "--all", "--reflog")
    )
    paths = {name: path for name, _, path in listed if path}
    form = "--batch-check=%(objectname) %(objecttype) %(objectsize)"
    said = _run(top, "\n".join(paths).encode(), "cat-file", form).decode().splitlines()
    kinds = (line.split(" ") for line in said)
    wanted = {
        parts[0]
        for parts in kinds
        if len(parts) == 3 and parts[1] == "blob" and int(parts[2]) <= _LARGEST
    }
    return {name: path for name, path in paths.items() if name in wanted}


def _read(top: Path, names: list[str]) -> Iterator[tuple[str, bytes]]:
    """The contents one after another, without ever holding all of them."""
    process = subprocess.Popen(
        [*GIT, "-C", str(top), "cat-file", "--batch"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=git_environment(),
    )
    with process:
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        try:
            for name in names:
                process.stdin.write(f"{name}\n".encode())
                process.stdin.flush()
                size = int(process.stdout.readline().split(b" ")[2])
                yield name, process.stdout.read(size)
                process.stdout.read(1)
        finally:
            process.kill()


def _lines(folder: Path, *arguments: str) -> list[str]:
    said = _run(folder, b"", *arguments)
    return [line for line in said.decode(errors="replace").splitlines() if line]


def _run(folder: Path, given: bytes, *arguments: str) -> bytes:
    """What git says. Raises CalledProcessError, TimeoutExpired and FileNotFoundError."""
    done = subprocess.run(
        [*GIT, "-C", str(folder), *arguments],
        input=given,
        capture_output=True,
        timeout=_SECONDS,
        check=True,
        env=git_environment(),
    )
    return done.stdout
