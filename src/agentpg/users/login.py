"""Proving who somebody is, by a password or a token.

A name without an account is treated as one with: its tries are counted and locked alike, by the
same statement, and a hash with the same parameters is computed. So neither the answer nor its time
says which accounts there are.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from agentpg.db import Connection, Database, Statements, connect, dict_row, driver_errors
from agentpg.settings import Settings
from agentpg.users.account import DENIED_PASSWORD, DENIED_TOKEN, Account, Denied
from agentpg.users.passwords import (
    LONGEST,
    hash_password,
    is_outdated,
    is_password,
    nobodys_hash,
)
from agentpg.users.rights import Role
from agentpg.users.tokens import hash_token, is_well_formed

_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginPolicy:
    """How many tries there are, and what comes then.

    After `attempts` (5) in a row that failed, no password of the name is tried for `lock` (1 min);
    each failure after that doubles it, up to `longest_lock` (1 h). They are forgotten by a good
    log-in, or when none was made for `window` (1 day). A guesser who never stops has some thirty
    tries a day; NIST SP 800-63B-4, section 3.2.2, allows a hundred in all.
    """

    attempts: int = 5
    window: timedelta = timedelta(days=1)
    lock: timedelta = timedelta(minutes=1)
    longest_lock: timedelta = timedelta(hours=1)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The one that the settings say."""
        return cls(
            attempts=settings.login_attempts,
            window=settings.login_window,
            lock=settings.login_lock,
            longest_lock=settings.login_longest_lock,
        )

    def parameters(self) -> dict[str, object]:
        """Those of the statement `begin_login`."""
        return {
            "attempts": self.attempts,
            "window": self.window,
            "lock": self.lock,
            "longest_lock": self.longest_lock,
        }


def authenticate(
    database: Database | Connection[Any],
    name: str,
    password: str,
    *,
    schema: str = "agentic_ai",
    policy: LoginPolicy | None = None,
) -> Account | Denied:
    """The account, where this is its password; else why not, which is not for who asks.

    With a connection of yours, in autocommit mode, `schema` says where the tables are. More tries
    of one name at once than the policy allows in all are denied, whatever their passwords.
    """
    if isinstance(database, Database):
        with _connected(database) as connection, driver_errors(database.target(), connection):
            return _log_in(connection, database.schema, name, password, policy or LoginPolicy())
    return _log_in(database, schema, name, password, policy or LoginPolicy())


def authenticate_token(
    database: Database | Connection[Any], token: str, *, schema: str = "agentic_ai"
) -> Account | Denied:
    """The account whose token this is, with its scopes; else why not, which is not for who asks."""
    if not is_well_formed(token):
        return Denied("malformed", DENIED_TOKEN)
    if isinstance(database, Database):
        with _connected(database) as connection, driver_errors(database.target(), connection):
            return _use_token(connection, database.schema, token)
    return _use_token(database, schema, token)


def name_hash(name: str) -> bytes:
    """By what the tries of a name are counted."""
    return hashlib.sha256(name.encode("utf-8", "replace")).digest()


def _connected(database: Database) -> Connection[Any]:
    return connect(database, "agentpg log-in")


def _log_in(
    connection: Connection[Any], schema: str, name: str, password: str, policy: LoginPolicy
) -> Account | Denied:
    name = name.strip().lower()
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable() or len(password) > LONGEST:
        # No account is like this, so nothing is told by not looking.
        return Denied("malformed", DENIED_PASSWORD)
    sql, hashed = Statements("users", schema), name_hash(name)
    cursor = connection.cursor(row_factory=dict_row)
    values = {"name": name, "name_hash": hashed, **policy.parameters()}
    row = cursor.execute(sql["begin_login"], values).fetchone()
    assert row is not None  # noqa: S101 - it has one row
    if row["failures"] is None:
        return Denied("locked", DENIED_PASSWORD, row["retry_in"])
    kept = row["password_hash"] or ""
    fits = is_password(kept if kept.startswith("$argon2id$") else nobodys_hash(), password)
    if not fits or row["id"] is None or row["disabled"]:
        return Denied("disabled" if fits else "wrong", DENIED_PASSWORD)
    cursor.execute(sql["end_login"], {"name_hash": hashed, "id": row["id"]})
    if is_outdated(kept):
        new = {"id": row["id"], "old": kept, "new": hash_password(password)}
        cursor.execute(sql["rehash"], new)
    return Account(id=row["id"], name=name, role=Role(row["role"]), must_change=row["must_change"])


def _use_token(connection: Connection[Any], schema: str, token: str) -> Account | Denied:
    cursor = connection.cursor(row_factory=dict_row)
    statement = Statements("users", schema)["use_token"]
    row = cursor.execute(statement, {"token_hash": hash_token(token)}).fetchone()
    if row is None:
        return Denied("unknown", DENIED_TOKEN)
    if row["revoked"]:
        return Denied("revoked", DENIED_TOKEN)
    if row["expired"]:
        return Denied("expired", DENIED_TOKEN)
    if row["disabled"]:
        return Denied("disabled", DENIED_TOKEN)
    return Account(
        id=row["id"],
        name=row["name"],
        role=Role(row["role"]),
        scopes=frozenset(row["scopes"]),
        token_id=row["token_id"],
    )
