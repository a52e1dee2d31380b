"""The fixtures for pytest, in a session of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import PG_BIN

pytestmark = pytest.mark.one_server

_CONFTEST = 'pytest_plugins = ["agentpg.testing.pytest_plugin"]\n'
_TESTS = """
def test_one(agentpg):
    agentpg.client.submit("A", "b")

def test_another_has_nothing_of_it(agentpg, agentpg_server):
    assert agentpg.client.find() == []
"""


def test_each_test_has_an_installation_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(_CONFTEST)
    (tmp_path / "test_a.py").write_text(_TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "AGENTPG_PG_BIN": PG_BIN},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 passed" in done.stdout, done.stdout


def test_the_helpers_need_no_pytest() -> None:
    script = "import sys, agentpg.testing; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
