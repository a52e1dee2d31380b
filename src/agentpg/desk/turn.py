"""Work that only one session may do on an installation at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from agentpg.db import Connection, Database, Statements, connect
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


@contextmanager
def lasting_turn(database: Database, work: str) -> Iterator[None]:
    """The same, held by a transaction on a connection of its own: a pooler that lends a process of
    the server for a transaction keeps that, and nothing longer.

    Raises WorkUnderWay where somebody else has it, and DatabaseUnavailable.
    """
    sql = Statements("turn", database.schema)
    with connect(database, "agentpg turn") as holder, holder.transaction():
        holder.execute(sql["stay_open"])
        row = holder.execute(
            sql["take_lasting_turn"], {"work": work, "schema": database.schema}
        ).fetchone()
        if row is None or not row[0]:
            raise WorkUnderWay(work=work, schema=database.schema)
        yield
