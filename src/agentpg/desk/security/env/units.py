"""Units of systemd that hold secrets: every account may read them, and `systemctl show` too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from agentpg.desk.security.env.facts import UnitSecret
from agentpg.desk.security.env.patterns import is_secret, kind_of
from agentpg.language import N_

# Where administrators put theirs; those of packages hold no secret of ours.
_FOLDERS = (Path("/etc/systemd/system"), Path("/run/systemd/system"), Path("/etc/systemd/user"))
_OF_ACCOUNT = Path(".config/systemd/user")

_PATTERNS = ("*.service", "*.service.d/*.conf", "*.timer")
_MOST = 2000
_LARGEST = 64 * 1024

_VARIABLE = N_("a variable with a secret")


def unit_secrets(folders: Sequence[Path] | None = None) -> Iterator[UnitSecret]:
    """Lines that hold one. Raises OSError."""
    places = (*_FOLDERS, Path.home() / _OF_ACCOUNT) if folders is None else folders
    paths = [p for one in places for pattern in _PATTERNS for p in sorted(one.glob(pattern))]
    for path in paths[:_MOST]:
        if not path.is_file():
            # Many are links to units of packages that have gone.
            continue
        with path.open("rb") as file:
            text = file.read(_LARGEST).decode(errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            if kind := _kind(line):
                yield UnitSecret(path=str(path), line=number, kind=kind)


def _kind(line: str) -> str:
    if line.lstrip().startswith(("#", ";")):
        return ""
    key, _, rest = line.partition("=")
    name, _, value = rest.strip().strip("\"'").partition("=")
    if key.strip() == "Environment" and is_secret(name, value):
        return _VARIABLE
    return kind_of(line)
