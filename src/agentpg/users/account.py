"""Accounts as they are kept, and what it comes to when somebody says that one is his."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from agentpg.language import N_
from agentpg.users.rights import Permission, Role

# What who is denied is told: the same whatever the reason, so that nobody finds out by it which
# accounts there are, or when a guess was right.
DENIED_PASSWORD = N_("the name or the password is wrong, or there were too many tries")
DENIED_TOKEN = N_("the token is not valid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who has proved who he is, and what he may do.

    `scopes` are those of the token; None after a log-in by password: all that the role may. With
    `must_change` the password is another's choice, and is to be changed first.
    """

    id: UUID
    name: str
    role: Role
    scopes: frozenset[str] | None = None
    token_id: UUID | None = None
    must_change: bool = False

    def may(self, permission: Permission) -> bool:
        """Whether its role allows it and, for a token, a scope names it too."""
        return self.role.may(permission) and (self.scopes is None or permission in self.scopes)


@dataclass(frozen=True, slots=True)
class Denied:
    """Who has proved nothing. `reason` is for the program's own log and never for him; `retry_in`
    is how long no password of this name is tried, whether there is such an account or not."""

    reason: Literal["wrong", "locked", "disabled", "malformed", "unknown", "revoked", "expired"]
    message: str
    retry_in: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token as it is kept: what it may and until when, and not the token itself."""

    id: UUID
    name: str
    hint: str
    scopes: tuple[str, ...]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    is_expired: bool

    @property
    def state(self) -> str:
        """In use, or why not."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.is_expired else "active"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An account as operators see it.

    `adopted` is a row from before agentpg: nobody logs in with it until it is added. `failures` are
    log-ins that failed since the last good one.
    """

    id: UUID
    name: str | None
    role: Role
    adopted: bool
    created_at: datetime
    has_password: bool
    password_set_at: datetime | None
    password_set_by: str | None
    is_temporary: bool
    disabled_at: datetime | None
    disabled_reason: str | None
    seen_at: datetime | None
    failures: int
    locked_until: datetime | None
    tokens: int

    @property
    def state(self) -> str:
        """What keeps it from being used, or active."""
        if self.adopted:
            return "adopted"
        if self.disabled_at is not None:
            return "disabled"
        if self.locked_until is not None:
            return "locked"
        return "active"
