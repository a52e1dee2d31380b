"""Archiving by the program: a Python that a server's account gets to, and settings for it."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from agentpg.embedded.account import Account

_SYSTEM = "/usr/bin/python3"


class Pythons:
    """The Python that runs the tests, or one beside it that a server's account may run too."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.chmod(0o755)

    def __call__(self, account: Account) -> Path:
        """One that has agentpg; the test is skipped where there is none."""
        ours = Path(sys.executable)
        if _has_agentpg(account, ours):
            return ours
        python = self._folder / "bin" / "python"
        if not python.exists():
            self._make()
        if not _has_agentpg(account, python):
            pytest.skip("the server's account gets to no Python with the packages")
        return python

    def _make(self) -> None:
        """Of the machine's own Python, where that is of our version, with our packages."""
        asked = [_SYSTEM, "-c", "import sys; print(*sys.version_info[:2], sep='.')"]
        version = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
        if version.strip() != f"{sys.version_info.major}.{sys.version_info.minor}":
            pytest.skip("the server's account gets to no Python of this version")
        subprocess.run([_SYSTEM, "-m", "venv", "--without-pip", self._folder], check=True)
        [site] = self._folder.glob("lib/*/site-packages")
        packages = sysconfig.get_path("purelib")
        (site / "tests.pth").write_text(f"import site; site.addsitedir({packages!r})\n")


def _has_agentpg(account: Account, python: Path) -> bool:
    call = 'exec "$0" -I -c "import agentpg"'
    return account.run(("sh", "-c", call, python)).returncode == 0
