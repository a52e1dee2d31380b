"""What a fault is: how it is made, and what must be the first finding while it lasts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, TypeVar

from agentpg.db import Database
from agentpg.desk.doctor.rooms import examine
from agentpg.desk.finding import Finding, at_or_above
from agentpg.settings import Settings

G = TypeVar("G")

# Its memory, its load, and what its kernel has ended.
_OF_THE_MACHINE = ("H08", "H09", "H10")

# What the doctor looks at while a fault lasts.
Patient = tuple[Database, Settings]


@dataclass(frozen=True, slots=True)
class Fault(Generic[G]):
    """A fault: which codes may stand first, what it is, and how it is made on its ground.

    `make` is a context in which it lasts, and gives what the doctor is to look at. Most faults
    have one code; of several, each says the same cause.
    """

    codes: tuple[str, ...]
    what: str
    make: Callable[[G], AbstractContextManager[Patient]]

    def first(self, ground: G) -> Finding | None:
        """Make it, and give what the whole doctor says first; None where that is nothing bad."""
        with self.make(ground) as (database, settings):
            return first_finding(database, settings)


def first_finding(database: Database, settings: Settings) -> Finding | None:
    """What `agentpg doctor` shows first; None where that is no warning.

    What it says of the machine is left out: other tests keep that busy.
    """
    rooms = examine(database, settings).values()
    found = [one for room in rooms for one in room if one.code not in _OF_THE_MACHINE]
    return next(iter(at_or_above(found, "warning")), None)
