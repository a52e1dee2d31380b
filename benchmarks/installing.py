"""The peers' own environment, apart from the project's."""

from __future__ import annotations

import subprocess
import venv

from benchmarks.roster import FOLDER, VENV

_REQUIREMENTS = FOLDER / "requirements.txt"
_STAMP = VENV / "requirements.txt"


def install() -> bool:
    """Make the environment as `requirements.txt` says; False if it is there already."""
    wanted = _REQUIREMENTS.read_text(encoding="utf-8")
    if _STAMP.exists() and _STAMP.read_text(encoding="utf-8") == wanted:
        return False
    venv.create(VENV, with_pip=True, clear=True)
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "install", "-qq", "--require-hashes", "-r", str(_REQUIREMENTS)], check=True
    )
    _STAMP.write_text(wanted, encoding="utf-8")
    return True
