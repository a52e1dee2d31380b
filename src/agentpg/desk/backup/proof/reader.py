"""Who looks at a restored database by its own names: a role that may read everything, and no more.

On a scratch server only, which is thrown away with it. The superuser of one could run programs, as
whoever makes the drill; code that the owners of the source's databases wrote must not be his.
"""

from __future__ import annotations

import secrets

from agentpg.db import Database, Statements, connect

_SQL = Statements("restore", "")


def reader_of(database: Database) -> Database:
    """The database as such a role, made now. It may make a schema of its own there.

    Raises the errors of the database.
    """
    reader = f"agentpg_reader_{secrets.token_hex(6)}"
    names = {"reader": reader, "database": database.name()}
    with connect(database, "agentpg backup drill") as connection:
        for step in ("make_reader", "let_reader_in", "unlimit"):
            connection.execute(_SQL.compose(step, **names))
    return database.as_role(reader)
