"""Reading the log: the entries for people, and all of it as a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agentpg.audit.chain import Anchor, Link
from agentpg.db import (
    Connection,
    Database,
    Statements,
    class_row,
    connect,
    driver_errors,
    snapshot,
)

# So many entries are held at a time, however long the log is.
_BATCH = 1000

# What an entry's fields are called in a file, in the order in which they are hashed.
FIELDS = (
    "form", "number", "at", "action", "object", "outcome", "account", "database_role", "address",
    "os_user", "program", "details",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry, as people read it."""

    number: int
    at: datetime
    action: str
    object: str | None
    outcome: str
    account: str | None
    database_role: str
    address: str | None
    os_user: str | None
    program: str | None
    details: Mapping[str, Any]
    hash: bytes

    @property
    def who(self) -> str:
        """Whom to ask: the account, or else the account of the machine, or else the role."""
        return self.account or self.os_user or self.database_role


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which entries: an action or its beginning (`task`, `task.cancel`), who, what, when."""

    action: str | None = None
    who: str | None = None
    about: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 100

    def parameters(self) -> dict[str, Any]:
        """Those of the statement `entries`."""
        pattern = None
        if self.action is not None:
            plain = self.action.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            pattern = plain if "." in self.action else f"{plain}.%"
        return {
            "action": pattern,
            "who": self.who,
            "object": self.about,
            "outcome": self.outcome,
            "since": self.since,
            "until": self.until,
            "limit": self.limit,
        }


def entries(database: Database, wanted: Wanted) -> list[Entry]:
    """The newest that match, the newest first. Raises PermissionDenied, SchemaMissing."""
    with (
        connect(database, "agentpg security log") as connection,
        driver_errors(database.target(), connection),
    ):
        cursor = connection.cursor(row_factory=class_row(Entry))
        cursor.execute(Statements("audit", database.schema)["entries"], wanted.parameters())
        return cursor.fetchall()


def links(connection: Connection[Any], schema: str, after: int = 0) -> Iterator[Link]:
    """The entries behind a number, in order, a few at a time; within a transaction."""
    sql = Statements("audit", schema)
    with connection.cursor("agentpg_audit_log") as cursor:
        cursor.itersize = _BATCH
        cursor.execute(sql["links"], {"after": after})
        for number, fields, previous, own in cursor:
            yield Link(number, tuple(fields), bytes(previous), bytes(own))


def head_of(connection: Connection[Any], schema: str) -> Anchor | None:
    """Where the log says that it ends; None where nothing was ever added."""
    row = connection.execute(Statements("audit", schema)["head"]).fetchone()
    return None if row is None else Anchor(row[0], bytes(row[1]))


def export(database: Database, write: Callable[[str], object], after: int = 0) -> int:
    """Write each entry behind a number as a line of JSON, as of one moment; how many.

    `details` is the very text that was hashed, so that a file can be verified without a server.
    """
    number = 0
    with snapshot(database, "agentpg security log") as connection:
        for link in links(connection, database.schema, after):
            write(f"{json.dumps(line_of(link), ensure_ascii=False)}\n")
            number += 1
    return number


def line_of(link: Link) -> dict[str, object]:
    """A link as a line of a file has it."""
    said: dict[str, object] = dict(zip(FIELDS, link.fields, strict=True))
    said["number"] = link.number
    return {**said, "previous_hash": link.previous_hash.hex(), "hash": link.hash.hex()}


def read_line(text: str) -> Link:
    """A link from such a line. Raises ValueError where it is none."""
    try:
        said = json.loads(text)
        fields = tuple(None if said[name] is None else str(said[name]) for name in FIELDS)
        hashes = bytes.fromhex(said["previous_hash"]), bytes.fromhex(said["hash"])
        return Link(int(said["number"]), fields, *hashes)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(str(error)) from error
