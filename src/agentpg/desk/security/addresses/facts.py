"""What decides who gets in: gathered in `looking.py`, judged in `findings.py`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agentpg.desk.check import Unlooked
from agentpg.desk.hba.matching import Known
from agentpg.desk.hba.reading import Line
from agentpg.desk.hba.rules import Rule
from agentpg.desk.security.tls.facts import RevokedList, Shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What the server says of itself; None where the role may not see it. `client` is from where
    we come, None by a socket."""

    major: int
    hba_file: str | None
    data_folder: str | None
    listens: str | None
    has_tls: bool
    certificate_file: str | None
    key_file: str | None
    authority_file: str | None
    revoked_file: str | None
    least_version: str | None
    port: int
    role: str
    database: str
    client: str | None
    loaded_at: datetime

    @property
    def is_reachable(self) -> bool:
        """Whether it listens at more than this machine's own addresses, as far as is known."""
        if self.listens is None:
            return True
        said = {one.strip() for one in self.listens.split(",")}
        return not said <= {"", "localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role that may log in, and the names of all that it is a member of, itself included."""

    name: str
    is_superuser: bool
    replicates: bool
    groups: list[str]

    @property
    def is_powerful(self) -> bool:
        """Whether who has it has all: superusers, and those who may copy the whole cluster."""
        return self.is_superuser or self.replicates


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSessions:
    """Sessions of one role from one address without encryption."""

    role: str
    address: str
    application: str
    sessions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OurWay:
    """How a connection string of ours goes: the setting that has it, where to, and its sslmode."""

    setting: str
    target: str
    mode: str
    remote: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All of it. `hba` is the file as it is seen here; `folder` the server's data folder; `waits`
    the seconds after which a change that waits to be confirmed is undone, None where none does;
    `remote_sessions` how many come from other machines, None where that is not known.
    """

    now: datetime
    server: Server | Unlooked
    folder: Path | Unlooked
    hba: Path | Unlooked
    lines: tuple[Line, ...] | Unlooked
    rules: tuple[Rule, ...] | Unlooked
    roles: tuple[Role, ...] | Unlooked
    databases: tuple[str, ...] | Unlooked
    known: Known
    changed: bool | Unlooked
    waits: float | Unlooked | None
    md5_roles: tuple[str, ...] | Unlooked
    passworded: tuple[str, ...] | Unlooked
    open_sessions: tuple[OpenSessions, ...] | Unlooked
    certificate: Shown | Unlooked | None
    key_mode: int | Unlooked | None
    revoked: RevokedList | Unlooked | None
    ways: tuple[OurWay, ...]
    issued: tuple[Shown, ...]
    remote_sessions: int | None = None
