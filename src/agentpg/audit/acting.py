"""Who acts, and what acts there are."""

from __future__ import annotations

import os
import pwd
import socket
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

# The account that logged in to the machine: sudo and su leave it as it is.
_LOGIN_ACCOUNT = Path("/proc/self/loginuid")
_NOBODY = 2**32 - 1


class Action(StrEnum):
    """What operators do, as the audit log calls it: the noun and the verb of its command."""

    TASK_CANCEL = "task.cancel"
    TASK_RETRY = "task.retry"
    TASK_HOLD = "task.hold"
    TASK_RELEASE = "task.release"
    TASK_APPROVE = "task.approve"
    AGENT_LIMIT = "agent.limit"
    AGENT_PAUSE = "agent.pause"
    AGENT_RESUME = "agent.resume"
    SCHEDULE_ADD = "schedule.add"
    SCHEDULE_PAUSE = "schedule.pause"
    SCHEDULE_RESUME = "schedule.resume"
    SCHEDULE_RUN = "schedule.run"
    SCHEDULE_REMOVE = "schedule.remove"
    USER_ADD = "user.add"
    USER_ROLE = "user.role"
    USER_PASSWORD = "user.password"  # noqa: S105 - a name
    USER_TOKEN = "user.token"  # noqa: S105 - a name
    USER_REVOKE = "user.revoke"
    USER_DISABLE = "user.disable"
    USER_ENABLE = "user.enable"
    USER_UNLOCK = "user.unlock"
    BACKUP_RESTORE = "backup.restore"
    BACKUP_RECOVER = "backup.recover"
    BACKUP_PRUNE = "backup.prune"
    DOCTOR_FIX = "doctor.fix"
    DOCTOR_END = "doctor.end"
    TUNE_INDEXES = "tune.indexes"
    TUNE_SETTINGS = "tune.settings"
    TUNE_VACUUM = "tune.vacuum"
    RETENTION_APPLY = "retention.apply"
    RETENTION_RESTORE = "retention.restore"
    SCHEMA_MIGRATE = "schema.migrate"
    SCHEMA_ADOPT = "schema.adopt"
    SECURITY_ROLES = "security.roles"
    SECURITY_PASSWORD = "security.password"  # noqa: S105 - a name
    SECURITY_HBA = "security.hba"
    SECURITY_TLS = "security.tls"
    SECURITY_TENANTS = "security.tenants"
    SECURITY_KEY = "security.key"
    LOG_VERIFY = "log.verify"
    NOTIFY_ACK = "notify.ack"
    NOTIFY_SILENCE = "notify.silence"
    NOTIFY_UNSILENCE = "notify.unsilence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts, as far as the program knows; the server itself adds who logged in from where.

    `account` is one of `users`, where the program has proved it. `os_user` is the account of the
    machine that the program runs on, with the machine's name; `program` what it is.
    """

    account: str | None = None
    os_user: str | None = None
    program: str | None = None


def this_operator(program: str, account: str | None = None) -> Actor:
    """Who runs this process: `kim@host`, or `root(kim)@host` where kim became root."""
    return Actor(account=account, os_user=_os_user()[:200], program=program[:100])


def _os_user() -> str:
    number, first = os.geteuid(), _first_account()
    became = f"({_name_of(first)})" if first not in (None, number) else ""
    return f"{_name_of(number)}{became}@{socket.gethostname()}"


def _first_account() -> int | None:
    try:
        number = int(_LOGIN_ACCOUNT.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return None if number == _NOBODY else number


def _name_of(number: int | None) -> str:
    try:
        return pwd.getpwuid(number or 0).pw_name
    except KeyError:
        # In a container an account may have no name.
        return str(number)
