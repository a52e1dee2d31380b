"""Whose data folder it is: nothing is believed of a folder, or done in one, that is not the
server's for certain."""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from agentpg.desk.check import Unlooked, looked
from agentpg.language import N_

NO_DATA_FOLDER = Unlooked(N_("the folder that is named is no data folder of a server"))
OF_ROOT = Unlooked(N_("the data folder belongs to root, as which no server runs"))
OF_ANOTHER = Unlooked(N_("the data folder is not that of the server that answers"))

# The first field of the control file, in the machine's own order (pg_control.h).
_IDENTIFIER = struct.Struct("=Q")

# A server notes when it begins, and counts from when it has its memory and its sockets.
_START_TAKES = timedelta(minutes=1)

# The lines of postmaster.pid (miscadmin.h).
_START_LINE, _PORT_LINE = 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The server that answers: its cluster's identifier, its port, and since when it runs."""

    system: str
    port: int
    started_at: datetime


def why_not(folder: Path) -> Unlooked | None:
    """Why this is no data folder in which anything may be done; None where it is one."""

    def look() -> Unlooked | None:
        owner = (folder / "PG_VERSION").stat(follow_symlinks=False)
        control = (folder / "global" / "pg_control").stat(follow_symlinks=False)
        if not (stat.S_ISREG(owner.st_mode) and stat.S_ISREG(control.st_mode)):
            return NO_DATA_FOLDER
        return OF_ROOT if 0 in (folder.stat().st_uid, control.st_uid) else None

    try:
        return look()
    except (FileNotFoundError, NotADirectoryError):
        return NO_DATA_FOLDER
    except OSError as error:
        return Unlooked(error.strerror or str(error))


def why_not_of(folder: Path, cluster: Cluster) -> Unlooked | None:
    """Why this is not the data folder of the server that answers; None where it is.

    Copies of a cluster share its identifier: the process that works there must be the same too.
    """
    amiss = why_not(folder)
    if amiss is not None:
        return amiss
    said = looked(lambda: _is_of(folder, cluster))
    if isinstance(said, Unlooked):
        return said
    return None if said else OF_ANOTHER


def folder_of_process(number: int) -> Path | None:
    """The folder in which a server's process of this machine works, which is the data folder by
    a name that others can follow; None where it is no such process, or another account's."""
    process = Path(f"/proc/{number}")
    try:
        if (process / "comm").read_text(encoding="utf-8").strip() == "postgres":
            return (process / "cwd").readlink()
    except OSError:
        pass
    return None


def system_of(folder: Path) -> str:
    """The identifier of the cluster whose files these are. Raises OSError."""
    with (folder / "global" / "pg_control").open("rb") as file:
        head = file.read(_IDENTIFIER.size)
    return str(_IDENTIFIER.unpack(head)[0]) if len(head) == _IDENTIFIER.size else ""


def _is_of(folder: Path, cluster: Cluster) -> bool:
    if system_of(folder) != cluster.system:
        return False
    # Without a process that works there, it is a copy of what answers.
    lines = (folder / "postmaster.pid").read_text(encoding="utf-8", errors="replace").split("\n")
    try:
        start, port = int(lines[_START_LINE]), int(lines[_PORT_LINE])
    except (ValueError, IndexError):
        return False
    away = abs(cluster.started_at.timestamp() - start)
    return port == cluster.port and away <= _START_TAKES.total_seconds()


def is_inside(folder: Path, data: Path) -> bool:
    """Whether a folder lies in a data folder, links followed."""
    inner, outer = os.path.realpath(folder), os.path.realpath(data)
    return os.path.commonpath([inner, outer]) == outer and inner != outer
