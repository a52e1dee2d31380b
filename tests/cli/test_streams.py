"""Standard streams that are closed, or that take no more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agentpg.db import Database

pytestmark = pytest.mark.one_server


def in_shell(command: str) -> subprocess.CompletedProcess[str]:
    """Run `agentpg …` with the shell's redirections, and with buffers, as most have it."""
    return subprocess.run(
        ["bash", "-c", f"{sys.executable} -m agentpg {command}"],
        env={**os.environ, "LANG": "C.UTF-8", "PYTHONUNBUFFERED": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_full_disk_behind_the_output_is_said(home: Path) -> None:
    for command in ("config show", "config show --json", "--version", "--help"):
        done = in_shell(f"{command} > /dev/full")
        assert (done.returncode, done.stderr) == (
            1,
            "agentpg: cannot write the output: No space left on device\n"
            "hint: What was asked for may have been done; look before you repeat it.\n",
        )


def test_nobody_reads_the_errors(home: Path) -> None:
    assert in_shell("confg 2> /dev/full").returncode == 2
    assert in_shell("confg 2>&-").returncode == 2


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
def test_closed_streams_change_nothing_else(installed: Database, home: Path, closed: str) -> None:
    for command in ("task submit A b", "task list --json", "status", "config check"):
        done = in_shell(f"{command} {closed}")
        assert (done.returncode, done.stderr) == (0, ""), command
    assert in_shell(f"task submit A b - {closed}").returncode == 2
