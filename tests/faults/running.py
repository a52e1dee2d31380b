"""Makes the faults, ground by ground."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentpg.desk.finding import Finding
from tests.faults import backup, connection, disk, work
from tests.faults.connection import Door
from tests.faults.fault import Fault, first_finding
from tests.faults.installation import Installation, installation
from tests.servers import OwnServers, Reaper

NOTHING = "–"

Ground = Callable[[OwnServers], AbstractContextManager[Any]]


@dataclass(frozen=True, slots=True)
class Result:
    """One fault, and what was said first."""

    what: str
    codes: tuple[str, ...]
    finding: Finding | None

    @property
    def wanted(self) -> str:
        """The codes of which one must stand first."""
        return " or ".join(self.codes)

    @property
    def code(self) -> str:
        """The first finding's code; a dash where nothing was found."""
        return self.finding.code if self.finding else NOTHING

    @property
    def message(self) -> str:
        """What it says."""
        return f"{self.finding.level}: {self.finding.message()}" if self.finding else ""

    @property
    def is_fault(self) -> bool:
        """Whether something was made; else it is about what is healthy."""
        return self.codes != (NOTHING,)

    @property
    def is_right(self) -> bool:
        """Whether the cause stands first."""
        return self.code in self.codes


@contextmanager
def _door(servers: OwnServers) -> Iterator[Door]:
    yield Door(servers)
    servers.close()


GROUNDS: tuple[tuple[Ground, Sequence[Fault[Any]]], ...] = (
    (_door, connection.FAULTS),
    (installation, (*backup.FAULTS, *work.FAULTS)),
    # What fills a disk leaves its traces in the server's counters.
    (installation, disk.FAULTS),
)


def results(folder: Path, reaper: Reaper, only: Collection[str] = ()) -> Iterator[Result]:
    """Make all faults, or those that must give one of these codes."""
    for number, (ground, faults) in enumerate(GROUNDS):
        wanted = [one for one in faults if not only or set(only) & set(one.codes)]
        if wanted:
            servers = OwnServers(folder / str(number), reaper)
            with ground(servers) as here:
                if isinstance(here, Installation):
                    healthy = first_finding(*here.as_it_is())
                    yield Result("none: it is healthy", (NOTHING,), healthy)
                yield from (Result(one.what, one.codes, one.first(here)) for one in wanted)
