"""The accounts in the database: adding, changing and reading them.

Each change is recorded in the audit log, in its own transaction.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NoReturn
from uuid import UUID

from agentpg.audit.acting import Action, Actor
from agentpg.audit.recording import record
from agentpg.db import (
    Connection,
    Database,
    Statements,
    connect,
    dict_row,
    driver_errors,
    kwargs_row,
)
from agentpg.errors import (
    AccountExists,
    AccountNameWrong,
    AccountNotFound,
    LastAdmin,
    ScopesWrong,
    TokenNotFound,
)
from agentpg.language import N_
from agentpg.users.account import Token, User
from agentpg.users.login import name_hash
from agentpg.users.passwords import hash_password
from agentpg.users.rights import LEAST, Permission, Role
from agentpg.users.tokens import hash_token, hint_of, make_token

_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,99}", re.ASCII)

_NO_SCOPE = N_("there is none of this name")
_NOT_ITS_ROLE = N_("its role may not do that")
_NO_SCOPES = N_("a token needs at least one")


class Users:
    """The accounts of an installation, on one connection; `actor` is who changes them."""

    def __init__(self, database: Database, connection: Connection[Any], actor: Actor) -> None:
        self._database = database
        self._connection = connection
        self._actor = actor
        self._sql = Statements("users", database.schema)

    def find(self, name: str | None = None, limit: int = 10_000) -> list[User]:
        """All accounts, those in use first, or those of one name."""
        cursor = self._connection.cursor(row_factory=kwargs_row(_user))
        cursor.execute(self._sql["users"], {"name": name, "limit": limit})
        return cursor.fetchall()

    def get(self, name: str) -> User:
        """The account of this name, or the row from before agentpg. Raises AccountNotFound."""
        found = self.find(name)
        if not found:
            raise AccountNotFound(name=name)
        return found[0]

    def tokens(self, name: str) -> list[Token]:
        """Its tokens, those in use first. Raises AccountNotFound."""
        cursor = self._connection.cursor(row_factory=kwargs_row(_token))
        cursor.execute(self._sql["tokens"], {"id": self.get(name).id})
        return cursor.fetchall()

    def add(
        self, name: str, role: Role, password: str | None, *, is_temporary: bool = False
    ) -> User:
        """Make an account; a row of its name from before agentpg becomes one.

        Without a password nobody logs in with it: it is for tokens. Raises AccountNameWrong and
        AccountExists.
        """
        if not _NAME.fullmatch(name):
            raise AccountNameWrong(name=repr(name))
        hashed = None if password is None else hash_password(password)
        values = {"name": name, "role": str(role), "password_hash": hashed}
        with self._changing():
            old = self._rows("adopted", name=name)
            if len(old) == 1:
                added = self._rows("take_over", id=old[0]["id"], **values)
            else:
                added = self._rows("add", **values)
            if not added:
                raise AccountExists(name=name)
            self._note_password(added[0]["id"], is_set=hashed is not None, temporary=is_temporary)
            self._record(Action.USER_ADD, name, role=str(role), has_password=hashed is not None)
        return self.get(name)

    def set_role(self, name: str, role: Role) -> User:
        """Give an account another role. Raises AccountNotFound and LastAdmin."""
        with self._changing():
            user = self._lock(name, keeps_admin=role is Role.ADMIN)
            self._rows("set_role", id=user["id"], role=str(role))
            self._record(Action.USER_ROLE, name, before=user["role"], after=str(role))
        return self.get(name)

    def set_password(self, name: str, password: str | None, *, is_temporary: bool = False) -> User:
        """Give an account another password, or none; its failed log-ins are forgotten.

        One that its owner has not chosen is `is_temporary`: who logs in with it is told to change
        it. Tokens stay. Raises AccountNotFound.
        """
        hashed = None if password is None else hash_password(password)
        with self._changing():
            user = self._lock(name)
            self._rows("set_password", id=user["id"], password_hash=hashed)
            self._note_password(user["id"], is_set=hashed is not None, temporary=is_temporary)
            self._rows("unlock", name_hash=name_hash(name))
            said = {"was": "removed" if hashed is None else "set"}
            self._record(Action.USER_PASSWORD, name, **said)
        return self.get(name)

    def disable(self, name: str, reason: str | None = None) -> User:
        """Let nobody in with an account, neither by its password nor by its tokens.

        Raises AccountNotFound and LastAdmin.
        """
        with self._changing():
            user = self._lock(name, keeps_admin=False)
            self._rows("disable", id=user["id"], reason=reason)
            self._record(Action.USER_DISABLE, name, reason=reason)
        return self.get(name)

    def enable(self, name: str) -> User:
        """Let it be used again. Raises AccountNotFound."""
        with self._changing():
            user = self._lock(name)
            self._rows("enable", id=user["id"])
            self._record(Action.USER_ENABLE, name)
        return self.get(name)

    def unlock(self, name: str) -> int:
        """Forget the log-ins that failed; how many there were. Raises AccountNotFound."""
        with self._changing():
            self._lock(name)
            rows = self._rows("unlock", name_hash=name_hash(name))
            failures = int(rows[0]["failures"]) if rows else 0
            self._record(Action.USER_UNLOCK, name, failures=failures)
        return failures

    def add_token(
        self, name: str, purpose: str, scopes: Sequence[str], lasts: timedelta | None
    ) -> tuple[str, Token]:
        """Make a token: it is given here and never again. None lasts for ever.

        Raises AccountNotFound, and ScopesWrong for scopes that its role may not have.
        """
        token = make_token()
        with self._changing():
            user = self._lock(name)
            _check_scopes(name, Role(user["role"]), scopes)
            cursor = self._connection.cursor(row_factory=kwargs_row(_token))
            values = {"user_id": user["id"], "name": purpose, "scopes": list(dict.fromkeys(scopes))}
            values |= {"hint": hint_of(token), "token_hash": hash_token(token), "lasts": lasts}
            cursor.execute(self._sql["add_token"], {**values, "by": self._by()})
            [made] = cursor.fetchall()
            said = {"name": purpose, "scopes": made.scopes, "expires_at": made.expires_at}
            self._record(Action.USER_TOKEN, name, id=made.id, **said)
        return token, made

    def revoke_tokens(self, name: str, token: str | None) -> list[str]:
        """End one token, by its id, first signs or name, or all; the names of those that ended.

        Raises AccountNotFound and TokenNotFound.
        """
        with self._changing():
            user = self._lock(name)
            ended = [row["name"] for row in self._rows("revoke_tokens", id=user["id"], token=token)]
            if token is not None and not ended:
                raise TokenNotFound(name=name, token=token)
            if ended:
                self._record(Action.USER_REVOKE, name, tokens=ended)
        return ended

    def _lock(self, name: str, *, keeps_admin: bool = True) -> dict[str, Any]:
        admins = [] if keeps_admin else self._rows("lock_admins")
        rows = self._rows("lock", name=name)
        if not rows:
            raise AccountNotFound(name=name)
        [user] = rows
        if [one["id"] for one in admins] == [user["id"]]:
            raise LastAdmin(name=name)
        return user

    def _note_password(self, user_id: UUID, *, is_set: bool, temporary: bool) -> None:
        values = {"id": user_id, "is_set": is_set, "by": self._by() if is_set else None}
        self._rows("note_password", **values, is_temporary=temporary and is_set)

    def _by(self) -> str:
        return self._actor.account or self._actor.os_user or self._connection.info.user

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with (
            driver_errors(self._database.target(), self._connection),
            self._connection.transaction(),
        ):
            yield

    def _record(self, action: Action, account: str, /, **details: object) -> None:
        record(self._connection, self._database.schema, self._actor, action, account, **details)

    def _rows(self, statement: str, **values: object) -> list[dict[str, Any]]:
        cursor = self._connection.cursor(row_factory=dict_row)
        cursor.execute(self._sql[statement], values)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def kept_users(database: Database, actor: Actor, name: str = "agentpg user") -> Iterator[Users]:
    """The accounts, with a connection that calls itself `name`. Raises DatabaseUnavailable."""
    with (
        connect(database, name) as connection,
        driver_errors(database.target(), connection),
    ):
        yield Users(database, connection, actor)


def _check_scopes(name: str, role: Role, scopes: Sequence[str]) -> None:
    possible = ", ".join(role.permissions())

    def refuse(scope: str, reason: str) -> NoReturn:
        raise ScopesWrong(reason, name=name, scope=scope, role=role, possible=possible)

    if not scopes:
        refuse("–", _NO_SCOPES)
    for scope in scopes:
        if scope not in list(Permission):
            refuse(scope, _NO_SCOPE)
        if LEAST[Permission(scope)][0].rank > role.rank:
            refuse(scope, _NOT_ITS_ROLE)


def _user(**row: Any) -> User:
    return User(**{**row, "role": Role(row["role"])})


def _token(**row: Any) -> Token:
    return Token(**{**row, "scopes": tuple(row["scopes"])})
