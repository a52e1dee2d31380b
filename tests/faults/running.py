"""Makes the faults, ground by ground."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from agentpg.desk.finding import Finding
from agentpg.errors import AgentpgError
from tests.faults import backup, breakage, connection, disk, mistakes, work
from tests.faults.connection import Door
from tests.faults.fault import Fault, Said, first_finding
from tests.faults.installation import Installation, installation
from tests.servers import Mould, OwnServers, Reaper

NOTHING = "–"

Ground = Callable[[OwnServers], AbstractContextManager[Any]]


@dataclass(frozen=True, slots=True)
class Result:
    """One fault, and what was said first."""

    fault: Fault[Any] | None
    said: Said

    @property
    def finding(self) -> Finding | None:
        """What was said first."""
        return self.said.finding

    @property
    def what(self) -> str:
        """What was wrong."""
        return self.fault.what if self.fault else "nothing: it is healthy"

    @property
    def how(self) -> str:
        """How it was made."""
        return self.fault.how if self.fault else ""

    @property
    def wanted(self) -> str:
        """The codes of which one must stand first, or what must be told."""
        if self.fault is None:
            return NOTHING
        return " or ".join(self.fault.codes) or " & ".join(self.fault.words)

    @property
    def code(self) -> str:
        """The first finding's code; a dash where nothing was found."""
        return self.finding.code if self.finding else NOTHING

    @property
    def message(self) -> str:
        """What it says."""
        if self.finding is None:
            return self.said.trouble
        return f"{self.finding.level}: {self.finding.message()}"

    @property
    def is_right(self) -> bool:
        """Whether the cause stands first; of what is healthy, nothing is said."""
        return self.fault.is_named_by(self.finding) if self.fault else self.finding is None


@contextmanager
def _door(servers: OwnServers) -> Iterator[Door]:
    yield Door(servers)
    servers.close()


GROUNDS: tuple[tuple[Ground, Sequence[Fault[Any]]], ...] = (
    (_door, (*connection.FAULTS, *breakage.AT_THE_DOOR)),
    (installation, (*backup.FAULTS, *work.FAULTS, *mistakes.FAULTS, *breakage.FAULTS)),
    # What fills a disk leaves its traces in the server's counters.
    (installation, disk.FAULTS),
)


def results(folder: Path, reaper: Reaper, only: Collection[str] = ()) -> Iterator[Result]:
    """Make all faults, or those that must give one of these codes, or are called like that."""
    mould = Mould(folder)
    for number, (ground, faults) in enumerate(_parted()):
        wanted = [one for one in faults if not only or _is_among(only, one)]
        if wanted:
            servers = OwnServers(folder / str(number), reaper, mould)
            with ground(servers) as here:
                if isinstance(here, Installation):
                    yield Result(None, _of_the_healthy(here))
                yield from (Result(one, _first(one, here)) for one in wanted)


def _first(fault: Fault[Any], ground: Any) -> Said:
    """What is said of it; where it cannot be made, that is told, and the others are made."""
    try:
        return fault.first(ground)
    except (AssertionError, AgentpgError, OSError, psycopg.Error) as error:
        return Said(None, 0.0, f"not made: {error}")


def _parted() -> Iterator[tuple[Ground, Sequence[Fault[Any]]]]:
    """The grounds with their faults, and one for each that wants its own."""
    for ground, faults in GROUNDS:
        yield ground, [one for one in faults if not one.alone]
        yield from ((ground, [one]) for one in faults if one.alone)


def _is_among(only: Collection[str], fault: Fault[Any]) -> bool:
    return bool(set(only) & set(fault.codes)) or any(word in fault.what for word in only)


def _of_the_healthy(here: Installation) -> Said:
    begun = time.monotonic()
    return Said(first_finding(*here.as_it_is()), time.monotonic() - begun)
