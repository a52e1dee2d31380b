"""Looking at the settings of a server and at its machine, with the least rights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from agentpg.db import Database, Statements
from agentpg.desk.check import Unlooked, looked, size
from agentpg.desk.doctor.settings.facts import (
    Checkpoints,
    DiskKind,
    Facts,
    FileError,
    Machine,
    Own,
    Role,
    Server,
    Setting,
    Written,
)
from agentpg.desk.doctor.settings.machine import ELSEWHERE, read_machine
from agentpg.desk.monitor.reading import Reader, reading
from agentpg.errors import MachineTooSmall

T = TypeVar("T")

# The kernel keeps some of the memory that a machine is sold with.
_ABOUT = 1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What is said of the server's machine: it counts for more than what is seen of it."""

    ram_bytes: int | None = None
    cpus: int | None = None
    disk: DiskKind | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said."""
        return self == Given()


@dataclass(frozen=True, slots=True)
class _Named:
    name: str
    value: str


def look_at_settings(database: Database, given: Given | None = None) -> Facts:
    """Look at everything. Raises DatabaseUnavailable; what else can't be looked at is Unlooked."""
    with reading(database, "agentpg doctor") as reader:
        return _Look(database, reader, given or Given()).facts()


def refuse_beyond(facts: Facts, given: Given) -> None:
    """Raises MachineTooSmall where the machine is seen, and has less than is said of it."""
    seen = facts.kernel
    if isinstance(seen, Unlooked):
        return
    pairs = (
        (seen.ram_bytes, given.ram_bytes, size),
        (seen.cpus, given.cpus, lambda number: f"{number:.0f}"),
    )
    for has, said, shown in pairs:
        if has is not None and said is not None and said > has * _ABOUT:
            raise MachineTooSmall(has=shown(has), said=shown(said))


class _Look:
    """One look over one connection."""

    def __init__(self, database: Database, reader: Reader, given: Given) -> None:
        self._database = database
        self._reader = reader
        self._given = given
        self._sql = Statements("doctor_settings", reader.schema)
        self._server = looked(lambda: reader.row(self._sql, "read_server", Server))

    def facts(self) -> Facts:
        """All of it, the files first: that look finds what waits for a restart."""
        errors = self._all("read_file_errors", FileError)
        found = self._all("read_settings", Setting)
        settings: Mapping[str, Setting] | Unlooked = (
            found if isinstance(found, Unlooked) else {one.name: one for one in found}
        )
        seen = self._machine()
        return Facts(
            server=self._server,
            settings=settings,
            file_errors=_real(errors, settings),
            pending=looked(lambda: self._pending(settings)),
            hba_errors=self._all("read_hba_errors", FileError),
            checkpoints=looked(self._checkpoints),
            wal=looked(lambda: self._reader.row(self._sql, "read_wal", Written)),
            roles=self._all("read_roles", Role),
            own=self._all("read_own", Own),
            machine=_with(seen, self._given),
            kernel=seen,
        )

    def _all(self, name: str, kind: type[T]) -> tuple[T, ...] | Unlooked:
        return looked(lambda: tuple(self._reader.rows(self._sql, name, kind)))

    def _checkpoints(self) -> Checkpoints:
        name = "read_checkpoints"
        if self._reader.server_version >= 170000:
            name = "read_checkpoints_17"
        return self._reader.row(self._sql, name, Checkpoints)

    def _pending(self, settings: Mapping[str, Setting] | Unlooked) -> Mapping[str, str]:
        """The values that wait, where the role may see the files; else their names alone."""
        if isinstance(settings, Unlooked):
            return {}
        names = [name for name, one in settings.items() if one.pending_restart]
        if not names:
            return {}
        found = looked(lambda: self._reader.rows(self._sql, "read_pending", _Named, names=names))
        values = {} if isinstance(found, Unlooked) else {one.name: one.value for one in found}
        return {name: values.get(name, "") for name in sorted(names)}

    def _machine(self) -> Machine | Unlooked:
        server = self._server
        if isinstance(server, Unlooked) or not self._database.is_local():
            return ELSEWHERE
        data = None if server.data_folder is None else Path(server.data_folder)
        return read_machine(server.process, data)


def _real(
    errors: tuple[FileError, ...] | Unlooked, settings: Mapping[str, Setting] | Unlooked
) -> tuple[FileError, ...] | Unlooked:
    """Without what only waits for a restart, which the server says in the same words."""
    if isinstance(errors, Unlooked) or isinstance(settings, Unlooked):
        return errors
    waiting = {name for name, one in settings.items() if one.pending_restart}
    return tuple(one for one in errors if one.name not in waiting)


def _with(seen: Machine | Unlooked, given: Given) -> Machine | Unlooked:
    if given.is_empty:
        return seen
    machine = Machine() if isinstance(seen, Unlooked) else seen
    return replace(
        machine,
        ram_bytes=given.ram_bytes or machine.ram_bytes,
        cpus=given.cpus or machine.cpus,
        disk=given.disk or machine.disk,
    )
