"""What is known of the passwords of those who log in, never the passwords."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from agentpg.desk.check import Unlooked
from agentpg.desk.security.passwords.records import Record
from agentpg.desk.security.rotation.turn import Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A role that logs in: until when by its password, and what is recorded of that."""

    role: str
    superuser: bool
    valid_until: datetime | None
    record: Record | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All of it. `marks` are those of the stored verifiers by role, an empty one where a role has
    no password; `kept_at` is when the private server's passwords were written, by role. `pairs`
    are groups whose two logins are both open."""

    now: datetime
    logins: Sequence[Login]
    marks: Mapping[str, str] | Unlooked
    kept_at: Mapping[str, datetime]
    pairs: Sequence[str]
    turns: Sequence[Turn]


@dataclass(frozen=True, slots=True, kw_only=True)
class Age:
    """How old a password is: `changed_at` is None where nothing says it, and `why` says why:
    unrecorded, otherwise (changed by other means), none (it has no password) or empty."""

    role: str
    changed_at: datetime | None
    valid_until: datetime | None
    why: str


def ages(facts: Facts) -> tuple[Age, ...]:
    """The age of every password, in the order of the roles."""
    return tuple(_age(login, facts) for login in facts.logins)


def _age(login: Login, facts: Facts) -> Age:
    mark = None if isinstance(facts.marks, Unlooked) else facts.marks.get(login.role)
    changed_at, why = facts.kept_at.get(login.role), ""
    if mark == "":
        changed_at, why = None, "none"
    elif login.record is not None and mark in (None, login.record.mark):
        changed_at = login.record.changed_at
    elif login.record is not None and changed_at is None:
        why = "otherwise"
    elif changed_at is None:
        why = "unrecorded"
    return Age(role=login.role, changed_at=changed_at, valid_until=login.valid_until, why=why)
