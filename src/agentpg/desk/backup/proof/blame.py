"""Whether what went wrong says something of the backup, or of the place that it was brought to.

A disk that is full, a server that was killed or a connection that was lost tell nothing of what
is restored: a drill that meets them does not know, and never says that the backup is bad.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from agentpg.errors import AgentpgError, RecoveryEnded, ToolFailed

_NO_ROOM = ("No space left on device", "Disk quota exceeded")

# What pgBackRest passes on of the server has the server's own beginning of a line. Of a write that
# was cut short it gives no reason; so little is left then.
_SERVER_SAYS = "ERROR:"
_WRITE_FAILED = "unable to write"
_LEFT_BYTES = 1024**2

# In the words of libpq, of the server, of the programs, and of `leash.py`.
_OF_THE_PLACE = (
    *_NO_ROOM,
    "out of memory",
    "Cannot allocate memory",
    "server closed the connection unexpectedly",
    "could not receive data from server",
    "terminating connection",
    "connection to server on socket",
    "the database system is",
    "ended by SIG",
)


def is_no_room(said: str) -> bool:
    """Whether somebody says that a disk is full."""
    return any(text in said for text in _NO_ROOM)


def pgbackrest_without_room(error: ToolFailed, place: Path) -> str:
    """What pgBackRest said of a full disk that it met itself at this place; empty for all else."""
    reason = str(error.values["reason"])
    if _SERVER_SAYS in reason:
        return ""
    if is_no_room(reason):
        return reason
    full = _WRITE_FAILED in reason and shutil.disk_usage(place).free < _LEFT_BYTES
    return f"{reason}: {os.strerror(errno.ENOSPC)}" if full else ""


def is_of_the_place(error: AgentpgError) -> bool:
    """Whether an error came of where the backup was brought to."""
    said = str(error)
    return isinstance(error, RecoveryEnded) or any(text in said for text in _OF_THE_PLACE)
