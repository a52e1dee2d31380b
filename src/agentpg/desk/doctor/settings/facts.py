"""What a look at the server's settings has found: frozen values that the checks judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from agentpg.desk.check import Unlooked

DiskKind = Literal["ssd", "hdd"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What the server says of itself, and what the role may see and do there; `sessions` are those
    that are open in all databases."""

    role: str
    database: str
    server_version: int
    in_recovery: bool
    superuser: bool
    sees_all: bool
    takes_alter_system: bool
    managed: bool
    process: int
    data_folder: str | None
    has_statements: bool
    slots: int
    sessions: int
    temp_bytes: int
    asked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting in its own `unit`, such as 8kB; `source` is where its value comes from."""

    name: str
    value: str
    default_value: str
    unit: str
    kind: str
    context: str
    source: str
    file: str
    line: int
    pending_restart: bool

    @property
    def needs_restart(self) -> bool:
        """Whether a change waits for a restart of the server."""
        return self.context == "postmaster"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileError:
    """What can't be used in a file of settings; `name` empty where it has none."""

    file: str
    line: int
    error: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """How often checkpoints began by the clock and otherwise, for so many seconds."""

    timed: int
    requested: int
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """How much WAL was written in so many seconds."""

    written: int
    seconds: float | None

    @property
    def per_second(self) -> float | None:
        """Bytes per second on the average; None where the time is too short to tell."""
        if self.seconds is None or self.seconds <= 0:
            return None
        return self.written / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role that logs in, with its own time-outs; `owns` tables of this database."""

    name: str
    superuser: bool
    replicates: bool
    owns: bool
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """A setting that a role, a database, or a role in a database has for itself; what does not
    count is empty."""

    role: str
    database: str
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the server may use: memory and processors within its control group, the kind of disk,
    None where not known; `volume_bytes` and `free_bytes` are those of the file system of its WAL,
    and `file_system` is the kind of that of its data, such as ext4.

    `huge_pages` is the kernel's word for transparent ones, `overcommit` its mode of promising
    memory, 0 to 2.
    """

    ram_bytes: int | None = None
    cpus: int | None = None
    disk: DiskKind | None = None
    volume_bytes: int | None = None
    free_bytes: int | None = None
    file_system: str | None = None
    is_limited: bool = False
    huge_pages: str | None = None
    overcommit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that was found; what could not be looked at is Unlooked."""

    server: Server | Unlooked
    settings: Mapping[str, Setting] | Unlooked
    file_errors: tuple[FileError, ...] | Unlooked
    pending: Mapping[str, str] | Unlooked
    hba_errors: tuple[FileError, ...] | Unlooked
    checkpoints: Checkpoints | Unlooked
    wal: Written | Unlooked
    roles: tuple[Role, ...] | Unlooked
    own: tuple[Own, ...] | Unlooked
    machine: Machine | Unlooked
    kernel: Machine | Unlooked = field(default_factory=lambda: Unlooked(""))

    @property
    def role(self) -> str:
        """Who asked, quoted as SQL has it."""
        return "CURRENT_USER" if isinstance(self.server, Unlooked) else self.server.role

    def for_all(self, name: str) -> str | None:
        """The value that the server gives everybody; None where what the role that asked has is
        its own or its database's, or there is no such setting."""
        one, roles = self.setting(name), self.roles
        own = self.role.strip('"')
        asked = (
            next((r for r in roles if r.name == own), None) if isinstance(roles, tuple) else None
        )
        if one is None or (asked is not None and name in asked.settings):
            return None
        return one.value

    def setting(self, name: str) -> Setting | None:
        """A setting; None where this version has none of that name, or it could not be asked."""
        return None if isinstance(self.settings, Unlooked) else self.settings.get(name)
