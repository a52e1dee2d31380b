"""A thread that hangs does not hold up the end of the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.without_server

_HANGING = """
import sys, threading, time
from agentpg.cli.ending import end_process
threading.Thread(target=time.sleep, args=(float(sys.argv[1]),), name="stuck").start()
print("written")
sys.exit(end_process(3))
"""


def _run(seconds: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _HANGING, seconds],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_thread_that_hangs_is_left_behind() -> None:
    done = _run("600")
    assert (done.returncode, done.stdout) == (3, "written\n")
    assert "ending in spite of running threads: stuck" in done.stderr


def test_a_thread_that_is_about_to_end_is_waited_for() -> None:
    done = _run("0.1")
    assert (done.returncode, done.stdout, done.stderr) == (3, "written\n", "")
