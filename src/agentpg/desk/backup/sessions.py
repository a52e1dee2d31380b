"""Sessions of backups, which nobody else's settings or names may disturb.

They wait for programs, and are idle meanwhile; and they are often a superuser's, who must call
the server's own functions and not what somebody has put into a schema of the search_path, fitting
better by its types.
"""

from __future__ import annotations

from typing import Any

from agentpg.db import Connection, Statements

_SQL = Statements("backup", "")


def be_undisturbed(connection: Connection[Any]) -> None:
    """Let no time limit end this session, and no name mean anything but the server's own.

    It is for connections without a pooler, in no transaction that may be rolled back.
    """
    connection.execute(_SQL["find_only_own"])
    connection.execute(_SQL["be_undisturbed"])
