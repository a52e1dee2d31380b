"""What there is of accounts and of the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from agentpg.audit.verifying import Verdict, Verified, last_verified, verify_end
from agentpg.db import Database, Statements, connect, dict_row, driver_errors
from agentpg.desk.check import Unlooked, looked
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
    monitor = Database(settings.dsn_monitor or database.dsn, database.schema).with_patience(3)
    return Facts(
        accounts=looked(lambda: _accounts(monitor, settings)),
        log=looked(
            lambda: Log(recent=verify_end(monitor, RECENT), verified=last_verified(monitor))
        ),
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
    with (
        connect(database, "agentpg doctor") as connection,
        driver_errors(database.target(), connection),
    ):
        cursor = connection.cursor(row_factory=dict_row)
        row = cursor.execute(Statements("users", database.schema)["state"], limits).fetchone()
    assert row is not None  # noqa: S101 - it has one row
    return Accounts(**row)
