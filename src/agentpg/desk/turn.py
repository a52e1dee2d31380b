"""Work that only one session may do on an installation at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from agentpg.db import Connection, Statements
from agentpg.errors import WorkUnderWay
from agentpg.language import N_

# A backup holds it, and so does what rewrites tables, since a dump can't go on beside that.
UNDISTURBED = N_("a backup, or a rewrite of tables,")


@contextmanager
def turn(connection: Connection[Any], schema: str, work: str) -> Iterator[None]:
    """Hold the lock of this kind of `work` within it; it ends with the session too.

    Work that must not meet other work takes the same name. Raises WorkUnderWay where
    somebody else has it.
    """
    sql = Statements("turn", schema)
    parameters = {"work": work, "schema": schema}
    row = connection.execute(sql["take_turn"], parameters).fetchone()
    if row is None or not row[0]:
        raise WorkUnderWay(work=work, schema=schema)
    try:
        yield
    finally:
        if not connection.broken:
            connection.execute(sql["end_turn"], parameters)
