"""What a fault is: how it is made, and what must be the first finding while it lasts."""

from __future__ import annotations

import json
import re
import time
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

# Says something of an installation: the whole doctor, or one tool.
Ask = Callable[[Database, Settings], Finding | None]


@dataclass(frozen=True, slots=True)
class Said:
    """What was said first, None where that is nothing bad, and how long it took.

    `trouble` tells why the fault could not be made.
    """

    finding: Finding | None
    seconds: float
    trouble: str = ""


def first_finding(database: Database, settings: Settings) -> Finding | None:
    """What `agentpg doctor` shows first; None where that is no warning.

    What it says of the machine is left out: other tests keep that busy.
    """
    rooms = examine(database, settings).values()
    found = [one for room in rooms for one in room if one.code not in _OF_THE_MACHINE]
    return next(iter(at_or_above(found, "warning")), None)


@dataclass(frozen=True, slots=True)
class Fault(Generic[G]):
    """A fault: which codes may stand first, what it is, how it is made on its ground, and in words.

    `make` is a context in which it lasts, and gives what the doctor is to look at. Most faults
    have one code; of several, each says the same cause. `words` are patterns that what is said
    must have, all of them: the culprit's name, above all. One that leaves its traces in the
    server's counters or logs is `alone` on its ground. `ask` says who is asked.
    """

    codes: tuple[str, ...]
    what: str
    make: Callable[[G], AbstractContextManager[Patient]]
    how: str = ""
    words: tuple[str, ...] = ()
    alone: bool = False
    ask: Ask = first_finding

    def first(self, ground: G) -> Said:
        """Make it, and give what is said first."""
        with self.make(ground) as (database, settings):
            begun = time.monotonic()
            finding = self.ask(database, settings)
            return Said(finding, time.monotonic() - begun)

    def is_named_by(self, finding: Finding | None) -> bool:
        """Whether this finding names the cause."""
        if finding is None:
            return False
        text = " ".join((finding.message(), finding.reason(), _values(finding)))
        is_told = all(re.search(word, text, re.IGNORECASE | re.DOTALL) for word in self.words)
        return is_told and (not self.codes or finding.code in self.codes)


def _values(finding: Finding) -> str:
    return json.dumps(dict(finding.evidence), default=str)
