"""Backups by an ordinary account: no root, no other account, nothing outside its home."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers import PG_BIN, Reaper, remove_server

pytestmark = pytest.mark.one_server

Run = Callable[..., str]

ROOT = Path(__file__).parents[2]

_NOBODY = 65534
_IS_ROOT = os.geteuid() == 0


@pytest.fixture
def homes(reaper: Reaper) -> Iterator[Path]:
    """A folder of the account's own."""
    place = Path(tempfile.mkdtemp(prefix="agentpg-ordinary-"))
    if _IS_ROOT:
        os.chown(place, _NOBODY, _NOBODY)
    for name in ("home", "recovered"):
        reaper.watch(place / name)
    yield place
    for name in ("home", "recovered"):
        remove_server(place / name)
    shutil.rmtree(place, ignore_errors=True)


def _closed(path: Path) -> Path | None:
    """The outermost folder above it that is closed to others."""
    above = [one for one in reversed(path.parents) if not one.stat().st_mode & 0o001]
    return above[0] if above else None


def _as_nobody(near: Path) -> list[str]:
    """What runs a command as an account without rights, where root runs the tests.

    The interpreter and this checkout may lie below a folder that is root's alone, such as /root.
    For the command, and for it only, another folder takes the place of that one, with nothing
    but these two in it.
    """
    needed = {path: closed for path in (Path(sys.base_prefix), ROOT) if (closed := _closed(path))}
    steps = ["set -e", f"mount -t tmpfs tmpfs {near}"]
    for number, path in enumerate(needed):
        steps += [f"mkdir {near}/{number}", f"mount --bind {path} {near}/{number}"]
    steps += [f"mount -t tmpfs -o mode=0755 tmpfs {one}" for one in sorted(set(needed.values()))]
    for number, path in enumerate(needed):
        steps += [f"mkdir -p {path}", f"mount --bind {near}/{number} {path}"]
    steps += [f'exec setpriv --reuid={_NOBODY} --regid={_NOBODY} --clear-groups "$@"']
    return ["unshare", "--mount", "sh", "-c", "\n".join(steps), "sh"]


@pytest.fixture
def run(homes: Path) -> Run:
    """Call it with the words of a command that must go well; what it prints."""
    (homes / "near").mkdir()
    before = _as_nobody(homes / "near") if _IS_ROOT else []

    def command(*words: str, home: str = "home") -> str:
        environment = {"HOME": str(homes), "AGENTPG_PG_BIN": PG_BIN, "TMPDIR": str(homes)}
        done = subprocess.run(
            [*before, sys.executable, "-m", "agentpg", "--home", str(homes / home), *words],
            env={**os.environ, **environment},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    return command


def test_all_of_it_works_without_root(run: Run, homes: Path) -> None:
    run("server", "start")
    run("schema", "migrate")
    run("task", "submit", "Agent", "work", "{}")
    run("backup", "archive", "on", "--restart")
    for kind in ("dump", "sql", "base"):
        name = json.loads(run("backup", "create", "--kind", kind, "--json"))["name"]
        run("backup", "verify", name)
        drilled = json.loads(run("backup", "drill", name, "--json"))
        outcomes = {check["name"]: check["outcome"] for check in drilled["checks"]}
        assert set(outcomes.values()) == {"passed"}, drilled
        if kind != "base":
            run("backup", "restore", name, "--into", f"from_{kind}", "--yes")
    run("backup", "recover", "--to-latest", "--into", str(homes / "recovered"))
    run("server", "start", home="recovered")
    [task] = json.loads(run("task", "list", "--json", home="recovered"))
    assert task["held_reason"].startswith("recovered from the backup")
    account = _NOBODY if _IS_ROOT else os.geteuid()
    for home in ("home", "recovered"):
        owners = {path.lstat().st_uid for path in (homes / home).rglob("*")}
        assert owners == {account}
