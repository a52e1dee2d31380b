"""Triggers that people have made on a table do not fire while its rows come back, or go again.

They would change the rows, as one does that writes the moment of each change, or do once more what
they did then. Those of the server itself fire, so that foreign keys are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agentpg.db import Connection, Statements
from agentpg.desk.backup.restore.tables import Table


@dataclass(frozen=True, slots=True)
class Trigger:
    """The SQL by which one fires no more, and by which it fires as it did."""

    off: str
    on: str


def triggers_of(connection: Connection[Any], sql: Statements, table: Table) -> list[Trigger]:
    """Those of a table that fire now."""
    rows = connection.execute(sql["user_triggers"], {"table": table.path}).fetchall()
    return [Trigger(off, on) for off, on in rows]
