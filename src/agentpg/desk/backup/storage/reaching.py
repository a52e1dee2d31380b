"""By which path a server's account gets to a folder.

A server works in its data folder, and from there a relative path needs no permission of the
folders above: so an archive in the same home is reached even where the home is closed to the
account, as one below /root is.
"""

from __future__ import annotations

import os
from pathlib import Path

from agentpg.embedded.account import Account

_TEST = 'cd "$1" && test -x "$2" -a "$3" "$2"'


def path_to(folder: Path, account: Account, data: Path, *, write: bool = False) -> str | None:
    """The path by which a server of this account, working in `data`, gets to the folder.

    None where it may not read it, or write to it.
    """
    if not account.switched:
        return str(folder)
    relative = os.path.relpath(folder.resolve(), data.resolve())
    need = "-w" if write else "-r"
    with account.reach(data) as (place, fds):
        for path in (str(folder), relative):
            command = ("sh", "-c", _TEST, "sh", place, path, need)
            if account.run(command, fds=fds).returncode == 0:
                return path
    return None
