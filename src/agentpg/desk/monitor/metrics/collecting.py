"""The metrics of one installation, collected again and again over one connection.

A part that fails is told as such and leaves the others alone. A part that took long rests three
hundred times as long before it is looked at again; till then it tells what it found. So however
often somebody asks, the metrics take about a hundredth of a processor at most.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from agentpg.db import Database, connect, make_conninfo
from agentpg.desk.monitor.metrics.aside import Aside
from agentpg.desk.monitor.metrics.parts import Look, Sample, parts
from agentpg.desk.monitor.reading import Reader
from agentpg.desk.monitor.tally import Tally
from agentpg.errors import AgentpgError

_log = logging.getLogger("agentpg.monitor")

# Three parts take long where a queue is long and the newest rows have not been vacuumed.
_RESTS_TIMES = 300

# What is this quick may be asked at every scrape: fifteen seconds have room for it.
_QUICK_SECONDS = 0.03

_STATEMENT_TIMEOUT = timedelta(seconds=1)

# These read all of a long queue, and all executions that were not vacuumed: they come last, and who
# serves Prometheus does not wait longer for them, so that a scrape takes less than a tenth of a
# second.
_SLOW = ("queue", "unhandled", "executions")
_FOR_THE_SLOW_SECONDS = 0.03

# What a part told stays so long when the part fails: alerts must not end when trouble grows.
_STAYS_SECONDS = 900.0

# Prometheus waits ten seconds: till then it must have been told that the server is away.
_CONNECT_SECONDS = 4
_PATIENCE_SECONDS = 6.0


@dataclass(frozen=True, slots=True)
class Part:
    """How one part went when it was last looked at."""

    ok: bool
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrape:
    """All samples and how each part went; `up` says whether the server answers."""

    up: bool
    samples: Sequence[Sample] = ()
    parts: Mapping[str, Part] = field(default_factory=dict)


@dataclass(slots=True)
class _Kept:
    """What a part told when it was last looked at, and when to look again."""

    samples: list[Sample] = field(default_factory=list)
    part: Part = Part(ok=False, seconds=0.0)
    found_at: float = 0.0
    rests_until: float = 0.0
    said: str = ""
    was_looked_at: bool = False

    def say(self, what: str, error: AgentpgError | None) -> None:
        """Log what is wrong when it begins, and not at every scrape."""
        if error is not None and str(error) != self.said:
            _log.warning("%s cannot be collected: %s", what, error)
        self.said = "" if error is None else str(error)


class Collecting:
    """Collects over a connection that is made anew when it is lost. Threads may share it.

    `reach` is how far back executions are counted at the first time; `aside` is looked at by
    a thread of its own, since it may take long or never answer. Who is not `patient` does not
    wait for what takes long, such as the counting of executions: the next scrape tells it.
    """

    def __init__(
        self,
        database: Database,
        *,
        reach: timedelta = timedelta(),
        aside: Sequence[Aside] = (),
        patient: bool = True,
    ) -> None:
        # Whole, since only that says what is wrong in it without its password.
        said = database.conninfo("agentpg monitor metrics")
        dsn = make_conninfo(said, connect_timeout=_CONNECT_SECONDS)
        self._database = Database(dsn, database.schema)
        self._reader: Reader | None = None
        self._parts = parts(Tally(reach))
        self._kept = {name: _Kept() for name in self._parts}
        self._whole = _Kept()
        self._aside = aside
        self._patient = patient
        self._quick_done = threading.Event()
        self._starting = threading.Lock()
        self._working: threading.Thread | None = None
        self._scraped = Scrape(up=False)

    def scrape(self) -> Scrape:
        """Look at everything that has rested long enough; raises nothing for what it can't.

        A server that neither answers nor fails is told as away. Who asks meanwhile waits for
        the same look.
        """
        with self._starting:
            if self._working is None or not self._working.is_alive():
                self._quick_done.clear()
                self._working = threading.Thread(target=self._run, daemon=True)
                self._working.start()
            working = self._working
        if self._patient:
            working.join(_PATIENCE_SECONDS)
            return self._told(None) if working.is_alive() else self._scraped
        if not self._quick_done.wait(_PATIENCE_SECONDS):
            return self._told(None)
        working.join(_FOR_THE_SLOW_SECONDS)
        return self._told(self._reader)

    def close(self) -> None:
        """Close the connection, unless it is still being waited for."""
        if self._working is None or not self._working.is_alive():
            self._let_go()

    def _run(self) -> None:
        try:
            self._connect()
        except AgentpgError as error:
            self._whole.say("the metrics", error)
        else:
            self._whole.say("the metrics", None)
        for name, look in self._parts.items():
            if name not in _SLOW:
                self._look(name, look)
        self._quick_done.set()
        for name in _SLOW:
            if name in self._parts:
                self._look(name, self._parts[name])
        self._scraped = self._told(self._reader)

    def _told(self, reader: Reader | None) -> Scrape:
        """What is known now; nothing of a server that is away."""
        kept = {name: _Kept() for name in self._parts}
        if reader is not None:
            # What is being looked at for the first time has neither failed nor not.
            kept = {name: one for name, one in self._kept.items() if one.was_looked_at}
        told = {**kept, **{one.name: _of(one) for one in self._aside}}
        return Scrape(
            up=reader is not None,
            samples=[sample for kept in told.values() for sample in kept.samples],
            parts={name: kept.part for name, kept in told.items()},
        )

    def _look(self, name: str, look: Look) -> None:
        kept, begun = self._kept[name], time.monotonic()
        if self._reader is None or begun < kept.rests_until:
            return
        wrong: AgentpgError | None = None
        try:
            found = look(self._reader)
        except AgentpgError as error:
            stays = time.monotonic() - kept.found_at < _STAYS_SECONDS
            found, wrong = kept.samples if stays else [], error
        kept.say(f"the metrics of {name}", wrong)
        kept.was_looked_at = True
        ended = time.monotonic()
        seconds = ended - begun
        kept.found_at = ended if wrong is None else kept.found_at
        kept.samples, kept.part = found, Part(wrong is None, seconds)
        kept.rests_until = ended + seconds * _RESTS_TIMES if seconds > _QUICK_SECONDS else 0.0
        if self._reader.is_lost:
            self._let_go()

    def _connect(self) -> None:
        if self._reader is None:
            connection = connect(self._database, "agentpg monitor metrics")
            self._reader = Reader(self._database, connection, _STATEMENT_TIMEOUT)
            for kept in self._kept.values():
                kept.rests_until = 0.0

    def _let_go(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None


def _of(aside: Aside) -> _Kept:
    found = aside.found()
    if found is None:
        return _Kept()
    return _Kept(found.samples, Part(found.ok, found.seconds))
