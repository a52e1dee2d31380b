"""Whether what went wrong says something of the backup, or of the place that it was brought to.

A disk that is full, a server that was killed or a connection that was lost tell nothing of what
is restored: a drill that meets them does not know, and never says that the backup is bad.
"""

from __future__ import annotations

from agentpg.errors import AgentpgError, RecoveryEnded

_NO_ROOM = ("No space left on device", "Disk quota exceeded")

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


def is_of_the_place(error: AgentpgError) -> bool:
    """Whether an error came of where the backup was brought to."""
    said = str(error)
    return isinstance(error, RecoveryEnded) or any(text in said for text in _OF_THE_PLACE)
