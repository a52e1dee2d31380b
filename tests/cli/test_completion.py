"""`agentpg completion` prints a script that the shell accepts."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.cli.conftest import Call

pytestmark = pytest.mark.without_server


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_the_shells(call: Call, shell: str) -> None:
    called = call("completion", shell)
    assert called.code == 0
    assert "agentpg" in called.out
    assert f"_AGENTPG_COMPLETE={shell}_complete" in called.out


def test_bash_accepts_the_script(call: Call) -> None:
    bash = shutil.which("bash")
    assert bash
    script = call("completion", "bash").out
    done = subprocess.run([bash, "-n"], input=script, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_another_shell_is_wrong_usage(call: Call) -> None:
    called = call("completion", "tcsh")
    assert called.code == 2
    assert "'bash', 'zsh', 'fish'" in called.err
