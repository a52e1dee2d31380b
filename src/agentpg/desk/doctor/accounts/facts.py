"""What there is of accounts and of the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from agentpg.audit.verifying import Verdict, Verified, verify_end
from agentpg.db import Database, Statements, secured
from agentpg.desk.check import Unlooked, looked
from agentpg.desk.monitor.reading import reading
from agentpg.settings import Settings

# So many entries at the end of the log are followed each time: a few milliseconds. All of it takes
# as long as there are entries, and is for `agentpg security log verify`.
RECENT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """The accounts in use: how many, how many may manage others; the names of those not used for
    long, with an old password, or with one that its owner never changed; how many names are locked
    now; the tokens in use, as account/name, without an end, and those that end soon."""

    accounts: int
    admins: int
    idle: list[str]
    old_passwords: list[str]
    temporary: list[str]
    locked: int
    endless_tokens: list[str]
    ending_tokens: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """The end of the audit log, followed now, and when all of it was."""

    recent: Verdict
    verified: Verified


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All facts of the room, and the limits that settings say."""

    accounts: Accounts | Unlooked
    log: Log | Unlooked
    now: datetime
    schema: str
    idle: timedelta
    password_age: timedelta
    token_warning: timedelta
    verify_within: timedelta


def look_at_accounts(database: Database, settings: Settings) -> Facts:
    """Look, as the role that monitors; nothing is written."""
    monitor = database.by_way_of(secured(settings.dsn_monitor, settings)).with_patience(3)
    return Facts(
        accounts=looked(lambda: _accounts(monitor, settings)),
        log=looked(lambda: _log(monitor)),
        now=datetime.now(UTC),
        schema=database.schema,
        idle=settings.account_idle,
        password_age=settings.account_password_age,
        token_warning=settings.token_warning,
        verify_within=settings.audit_verify_within,
    )


def _accounts(database: Database, settings: Settings) -> Accounts:
    limits = {
        "idle": settings.account_idle,
        "password_age": settings.account_password_age,
        "token_warning": settings.token_warning,
    }
    with reading(database, "agentpg doctor") as reader:
        return reader.row(Statements("users", database.schema), "state", Accounts, **limits)


def last_verified(database: Database) -> Verified:
    """What the log says of its own verification; who has locked it is not waited for."""
    with reading(database, "agentpg doctor") as reader:
        return reader.row(Statements("audit", database.schema), "verified", Verified)


def _log(database: Database) -> Log:
    # Where the log is locked, that is known before all of its end is followed.
    verified = last_verified(database)
    return Log(recent=verify_end(database, RECENT), verified=verified)
