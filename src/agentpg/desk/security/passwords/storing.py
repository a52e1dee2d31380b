"""Giving a role a password that the server never sees: it gets the verifier, and logs neither.

A verifier is no password, but who has it can try guesses at home. So where this role may do that,
the statement is kept out of the server's log and of pg_stat_statements; pgaudit is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agentpg.db import (
    Connection,
    Fragment,
    Statements,
    driver_errors,
    literal,
    render,
    scram_verifier,
)
from agentpg.desk.security.passwords.records import Record, mark_of, with_record
from agentpg.errors import NoSuchRole, PermissionDenied

_SQL = Statements("passwords", "")

# What logs statements, and what turns it off for a transaction.
_HIDING = {
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "log_duration": "off",
    "log_min_error_statement": "panic",
    "pg_stat_statements.track_utility": "off",
}


@dataclass(frozen=True, slots=True)
class Stored:
    """When it was stored; whether that could be recorded, and be kept out of the log."""

    at: datetime
    recorded: bool
    hidden: bool


def store_password(
    connection: Connection[Any],
    role: str,
    password: str,
    *,
    statement: str = "set_password",
    until: datetime | None = None,
) -> Stored:
    """Give a role a password, in a transaction; with `until` it ends then.

    `statement` is set_password or unlock. Raises NoSuchRole and PermissionDenied.
    """
    verifier = scram_verifier(connection, role, password)
    with _errors(connection), connection.transaction():
        at, recorded = note_change(connection, role, verifier)
        hidden = hide_statements(connection)
        _run(connection, statement, role=role, login=role, verifier=Fragment(literal(verifier)))
        if until is not None:
            _run(connection, "set_end", role=role, until=Fragment(literal(until.isoformat())))
    return Stored(at, recorded, hidden)


def note_change(connection: Connection[Any], role: str, verifier: str) -> tuple[datetime, bool]:
    """Write about a role, within the transaction that is open, that its password is changed now;
    when that is, and whether it could be written. Raises NoSuchRole."""
    comment = _one(connection, "comment_of", {"role": role})
    if comment is None:
        raise NoSuchRole(role=role)
    at: datetime = _one(connection, "now")
    record = Record(at, mark_of(verifier))
    return at, _record(connection, role, with_record(comment, record))


def _record(connection: Connection[Any], role: str, comment: str) -> bool:
    """Who changes his own password may not write about himself."""
    try:
        with _errors(connection), connection.transaction():
            _run(connection, "write_comment", role=role, comment=Fragment(literal(comment)))
    except PermissionDenied:
        return False
    return True


def hide_statements(connection: Connection[Any]) -> bool:
    """Keep the statements of the transaction that is open out of the log and of
    pg_stat_statements, as far as this role may; whether out of the log."""
    found = connection.execute(_SQL["hideable"], {"names": list(_HIDING)}).fetchall()
    names = [name for (name,) in found]
    for name in names:
        connection.execute(_SQL["hide"], {"name": name, "value": _HIDING[name]})
    return "log_statement" in names


def _run(connection: Connection[Any], statement: str, **names: str) -> None:
    """A utility statement takes no parameters."""
    connection.execute(render(connection, _SQL.compose(statement, **names)).encode())


def _one(
    connection: Connection[Any], statement: str, parameters: Mapping[str, Any] | None = None
) -> Any:
    row = connection.execute(_SQL[statement], parameters).fetchone()
    return None if row is None else row[0]


def _errors(connection: Connection[Any]) -> driver_errors:
    info = connection.info
    return driver_errors(f"{info.host}:{info.port}/{info.dbname}", connection)
