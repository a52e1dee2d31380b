"""When a cron line comes true, in a time zone.

The line is read by cronsim, which follows Debian's cron, and which is only ever asked about
local time without a zone. What daylight saving makes of a local time is decided here:

- A line with a fixed minute and hour fires once for each local time that it names. A time
  that the clock skips in spring fires at the moment of the change; one that comes twice in
  autumn fires the first time.
- A line whose minute or hour begins with `*` names intervals. It fires whenever the local
  clock shows such a time: never where it is skipped, twice where it comes twice. So `*/15`
  fires every quarter of an hour of real time.
"""

from __future__ import annotations

import difflib
import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from agentpg.errors import CronNeverTrue, CronWrong, ZoneUnknown
from agentpg.language import N_
from agentpg.zones import zone_names, zone_of

LONGEST_LINE = 200

_FIELDS = 5
_SHORT_FORMS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_COMPLAINTS = {
    "Bad minute": N_("its minute, the first field, is not a minute"),
    "Bad hour": N_("its hour, the second field, is not an hour"),
    "Bad day-of-month": N_("its day, the third field, is not a day of a month"),
    "Bad month": N_("its month, the fourth field, is not a month"),
    "Bad day-of-week": N_("its weekday, the fifth field, is not a weekday"),
}

_MINUTE = timedelta(minutes=1)
_ANY_MOMENT = datetime.min.replace(tzinfo=UTC)

# No zone turns its clock by more at a time for daylight saving.
_LARGEST_TURN = timedelta(hours=3)

# How far `newest` looks back at first.
_FIRST_LOOK = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Timetable:
    """The moments at which a cron line comes true; make it with `timetable`."""

    line: str
    zone: ZoneInfo

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The moments after `moment` in order, each once, in UTC; it ends where none comes
        within 50 years."""
        last = moment.astimezone(UTC)
        for tick in self._in_order(self._local_start(last)):
            if tick > last:
                last = tick
                yield tick

    def next(self, moment: datetime) -> datetime | None:
        """The first moment after `moment`, or None where there is none within 50 years."""
        return next(self.after(moment), None)

    def newest(self, first: datetime, until: datetime, most: int) -> list[datetime]:
        """The newest `most` of the moments from `first`, which is one, to `until`, in order.

        It looks back from `until`, a longer way each time, so that an outage of a year costs
        no more than one of an hour.
        """
        look = _FIRST_LOOK
        while True:
            start = max(first, until - look)
            ticks = takewhile(lambda tick: tick <= until, self.after(start))
            found = deque(chain([first], ticks) if start == first else ticks, maxlen=most)
            if start == first or len(found) == most:
                return list(found)
            look *= 4

    def _local_start(self, moment: datetime) -> datetime:
        """A local time from which on all that comes after `moment` is found."""
        local = moment.astimezone(self.zone).replace(tzinfo=None)
        around = {
            (moment + turn).astimezone(self.zone).utcoffset()
            for turn in (-_LARGEST_TURN, timedelta(), _LARGEST_TURN)
        }
        return local - _LARGEST_TURN if len(around) > 1 else local

    def _in_order(self, start: datetime) -> Iterator[datetime]:
        """The moments of all local times after `start`. A second coming waits until the
        local times have passed it."""
        waiting: list[datetime] = []
        for local in CronSim(self.line, start):
            for moment in self._moments(local):
                heapq.heappush(waiting, moment)
            while waiting and waiting[0] <= self._moment(local):
                yield heapq.heappop(waiting)
        yield from sorted(waiting)

    def _moments(self, local: datetime) -> list[datetime]:
        """When a local time comes: once, twice, or not at all."""
        if not self._exists(local):
            return [] if self._names_intervals else [self._after_the_gap(local)]
        first = self._moment(local)
        second = self._moment(local.replace(fold=1))
        return [first, second] if self._names_intervals and second != first else [first]

    @property
    def _names_intervals(self) -> bool:
        minute, hour, *_ = self.line.split()
        return minute.startswith("*") or hour.startswith("*")

    def _moment(self, local: datetime) -> datetime:
        return local.replace(tzinfo=self.zone).astimezone(UTC)

    def _exists(self, local: datetime) -> bool:
        return self._moment(local).astimezone(self.zone).replace(tzinfo=None) == local

    def _after_the_gap(self, local: datetime) -> datetime:
        while not self._exists(local):
            local += _MINUTE
        return self._moment(local)


def timetable(cron: str, time_zone: str) -> Timetable:
    """The timetable of a cron line: minute, hour, day, month and weekday, or a short form
    such as `@daily`.

    Raises CronWrong for what is no such line, and ZoneUnknown.
    """
    zone = find_zone(time_zone)
    line = _SHORT_FORMS.get(cron.strip().lower(), cron)
    fields = line.split()
    if line.startswith("@"):
        raise CronWrong(N_("there is no such short form"), cron=cron)
    if len(fields) != _FIELDS or len(cron) > LONGEST_LINE:
        raise CronWrong(N_("it has not five fields"), cron=cron)
    try:
        CronSim(line, _ANY_MOMENT)
    except CronSimError as error:
        if _would_be_right_in_another_month(fields):
            raise CronNeverTrue(cron=cron) from None
        said = str(error)
        raise CronWrong(_COMPLAINTS.get(said, said), cron=cron) from None
    return Timetable(line, zone)


def check_timetable(cron: str, time_zone: str, now: datetime) -> datetime:
    """The first moment after `now`. Raises CronWrong, CronNeverTrue and ZoneUnknown."""
    first = timetable(cron, time_zone).next(now)
    if first is None:
        raise CronNeverTrue(cron=cron)
    return first


def find_zone(name: str) -> ZoneInfo:
    """The time zone of this name in the IANA data base. Raises ZoneUnknown."""
    try:
        return zone_of(name)
    except ValueError:
        near = _near(name)
    if near is None:
        raise ZoneUnknown(time_zone=name)
    raise ZoneUnknown(hint=N_("Did you mean {near}?"), time_zone=name, near=near)


def _would_be_right_in_another_month(fields: list[str]) -> bool:
    minute, hour, day, _, weekday = fields
    try:
        CronSim(f"{minute} {hour} {day} * {weekday}", _ANY_MOMENT)
        CronSim(f"{minute} {hour} * {fields[3]} {weekday}", _ANY_MOMENT)
    except CronSimError:
        return False
    return True


def _near(name: str) -> str | None:
    """The zone that was meant, by its whole name or by its city."""
    wanted = name.replace(" ", "_").casefold()
    zones = {zone.casefold(): zone for zone in sorted(zone_names())}
    cities = {zone.rpartition("/")[2]: whole for zone, whole in zones.items() if "/" in zone}
    for known in (zones, cities):
        if found := difflib.get_close_matches(wanted, known, n=1, cutoff=0.7):
            return known[found[0]]
    return None
