"""The peers' own environments, apart from the project's: one for Python, one for Node."""

from __future__ import annotations

import shutil
import subprocess
import venv
from collections.abc import Iterable

from benchmarks.roster import FOLDER, IN_NODE, NODE_FOLDER, VENV, node_program

_REQUIREMENTS = FOLDER / "requirements.txt"
_STAMP = VENV / "requirements.txt"
_LOCK = NODE_FOLDER / "package-lock.json"
_MODULES = NODE_FOLDER / "node_modules"
_NODE_STAMP = _MODULES / "installed-lock.json"


def install(peers: Iterable[str]) -> list[str]:
    """Install what these peers need, as the locks say; a sentence for each that can't be."""
    wanted = set(peers)
    if wanted - set(IN_NODE):
        _install_python()
    if wanted & set(IN_NODE):
        return _install_node()
    return []


def _install_python() -> None:
    wanted = _REQUIREMENTS.read_text(encoding="utf-8")
    if _STAMP.exists() and _STAMP.read_text(encoding="utf-8") == wanted:
        return
    venv.create(VENV, with_pip=True, clear=True)
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "install", "-qq", "--require-hashes", "-r", str(_REQUIREMENTS)], check=True
    )
    _STAMP.write_text(wanted, encoding="utf-8")


def _install_node() -> list[str]:
    """The lock brings a Node of its own as a package, since Debian's is too old for the peers."""
    wanted = _LOCK.read_text(encoding="utf-8")
    if _NODE_STAMP.exists() and _NODE_STAMP.read_text(encoding="utf-8") == wanted:
        return []
    npm = shutil.which("npm")
    if npm is None:
        return ["npm is not installed here, so the peers in Node are left out"]
    shutil.rmtree(_MODULES, ignore_errors=True)
    quiet = ("--no-audit", "--no-fund", "--loglevel=error")
    subprocess.run([npm, "ci", "--ignore-scripts", *quiet], cwd=NODE_FOLDER, check=True)
    if node_program() is None:
        return ["there is no Node for this machine in the lock: its peers are left out"]
    _NODE_STAMP.write_text(wanted, encoding="utf-8")
    return []
