"""Looking at the passwords' records; reads only, and waits for no lock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from agentpg.db import Database, Statements, connect
from agentpg.desk.check import Unlooked, looked
from agentpg.desk.doctor.disk.looking import as_administrator
from agentpg.desk.monitor.reading import Reader
from agentpg.desk.security.audit.files import changed_at
from agentpg.desk.security.passwords.facts import Facts, Login
from agentpg.desk.security.passwords.records import read_record
from agentpg.desk.security.rotation.turn import Logins
from agentpg.embedded.folder import OWNER, SUPERUSER
from agentpg.settings import Settings

_SQL = Statements("passwords", "")

_LONGEST = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class _Row:
    role: str
    superuser: bool
    valid_until: datetime | None
    comment: str


@dataclass(frozen=True, slots=True)
class _Mark:
    role: str
    mark: str


@dataclass(frozen=True, slots=True)
class _Group:
    group_name: str


@dataclass(frozen=True, slots=True)
class _Now:
    now: datetime


def look_at_passwords(database: Database, settings: Settings) -> Facts:
    """Look, on the private server as its superuser, else as who asks.

    Raises DatabaseUnavailable.
    """
    administrator = as_administrator(database, settings)
    home = settings.home.expanduser().absolute()
    kept_at = changed_at(home / "pgpass") if administrator is not database else None
    with connect(administrator, "agentpg security") as connection:
        reader = Reader(administrator, connection, _LONGEST)
        return Facts(
            now=reader.row(_SQL, "now", _Now).now,
            logins=tuple(_login(row) for row in reader.rows(_SQL, "logins", _Row)),
            marks=_marks(reader),
            kept_at=dict.fromkeys((SUPERUSER, OWNER), kept_at) if kept_at else {},
            pairs=tuple(one.group_name for one in reader.rows(_SQL, "pairs", _Group)),
            turns=Logins(home).turns(),
        )


def _login(row: _Row) -> Login:
    return Login(
        role=row.role,
        superuser=row.superuser,
        valid_until=row.valid_until,
        record=read_record(row.comment),
    )


def _marks(reader: Reader) -> dict[str, str] | Unlooked:
    return looked(lambda: {row.role: row.mark for row in reader.rows(_SQL, "marks", _Mark)})
