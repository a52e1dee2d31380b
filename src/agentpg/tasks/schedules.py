"""What a schedule is: its values, what may be kept, and its next moments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Any
from uuid import UUID

from agentpg.errors import InvalidSchedule, InvalidTask
from agentpg.language import N_
from agentpg.sealing import Sealer
from agentpg.tasks.encoding import encode_payload, plain_text
from agentpg.tasks.lifecycle import check
from agentpg.tasks.model import NewTask
from agentpg.tasks.timetable import check_timetable, find_zone, timetable

_LONGEST_NAME = 100


class CatchUp(StrEnum):
    """What is done about the ticks that were missed because no worker lived.

    A tick is missed when it is more than a minute late. SKIP leaves missed ones out, ONE
    fires the newest, and ALL fires them all in order, but no more than the newest thousand.
    """

    SKIP = "skip"
    ONE = "one"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSchedule:
    """A schedule before it is kept: when, and which task.

    `cron` has the fields minute, hour, day, month and weekday, or is a short form such as
    "@daily"; it is read in `time_zone`, a name of the IANA data base. `catch_up` is "skip",
    "one" or "all". The rest is the task's, as in NewTask.
    """

    name: str
    agent_name: str
    task_type: str
    cron: str
    time_zone: str = "UTC"
    catch_up: str = CatchUp.ONE
    payload: Any = None
    priority: int = 100
    max_attempts: int | None = None
    on_crash: str = "retry"
    tenant: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A schedule as the database has it at `read_at`. Columns are explained in
    `sql/schema.sql`."""

    name: str
    agent_name: str
    task_type: str
    payload: Any
    priority: int
    max_attempts: int | None
    on_crash: str
    tenant: str | None
    cron: str
    time_zone: str
    catch_up: str
    declared: bool
    paused_at: datetime | None
    next_at: datetime | None
    last_at: datetime | None
    last_task_id: UUID | None
    problem: str | None
    created_at: datetime
    updated_at: datetime
    read_at: datetime

    @property
    def state(self) -> str:
        """ "active", "paused", or "broken" where it cannot fire."""
        if self.paused_at is not None:
            return "paused"
        return "active" if self.problem is None else "broken"

    def next_times(self, count: int) -> list[datetime]:
        """The next `count` ticks, in its zone; for a paused one those that it would have.

        Raises CronWrong and ZoneUnknown for one that cannot fire.
        """
        zone = find_zone(self.time_zone)
        ticks = timetable(self.cron, self.time_zone).after(self.read_at)
        return [tick.astimezone(zone) for tick in islice(ticks, count)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleState:
    """How many schedules there are, and how many of them are paused, overdue, or broken:
    unable to fire. One is overdue when its tick is more than a minute late. `failed` are the names
    of those whose last task failed."""

    total: int
    paused: int
    overdue: int
    broken: int
    failed: list[str]


def check_schedule(schedule: NewSchedule, now: datetime) -> datetime:
    """The first tick after `now`. Raises InvalidSchedule or one of its kinds."""
    _check_name(schedule.name)
    for what in ("cron", "time_zone"):
        if not isinstance(getattr(schedule, what), str):
            raise InvalidSchedule(
                f"{what} is a text, not {getattr(schedule, what)!r}", name=schedule.name
            )
    if schedule.catch_up not in list(CatchUp):
        raise InvalidSchedule(
            f"catch_up is skip, one or all, not {schedule.catch_up!r}", name=schedule.name
        )
    _check_task(schedule)
    return check_timetable(schedule.cron, schedule.time_zone, now)


def row_of(
    schedule: NewSchedule,
    payload_limit: int,
    *,
    declared: bool = False,
    sealer: Sealer | None = None,
) -> dict[str, Any]:
    """The parameters of the statements `add` and `write`, but for `next_at`.

    Raises PayloadNotJson and PayloadTooLarge.
    """
    payload = encode_payload(schedule.payload, payload_limit)
    if sealer is not None:
        payload = sealer.schedule_payload(schedule.agent_name, schedule.task_type, payload)
    return {
        "name": schedule.name,
        "agent_name": schedule.agent_name,
        "task_type": schedule.task_type,
        "payload": payload,
        "priority": schedule.priority,
        "max_attempts": schedule.max_attempts,
        "on_crash": schedule.on_crash,
        "tenant": schedule.tenant,
        "cron": schedule.cron.strip(),
        "time_zone": schedule.time_zone,
        "catch_up": str(schedule.catch_up),
        "declared": declared,
    }


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not name.strip():
        raise InvalidSchedule(N_("its name is empty"), name=name)
    if len(name) > _LONGEST_NAME or not name.isprintable() or plain_text(name) != name:
        raise InvalidSchedule(
            N_("a name has up to 100 characters, and all of them can be printed"), name=name
        )


def _check_task(schedule: NewSchedule) -> None:
    try:
        check(
            NewTask(
                agent_name=schedule.agent_name,
                task_type=schedule.task_type,
                priority=schedule.priority,
                max_attempts=schedule.max_attempts,
                on_crash=schedule.on_crash,
                tenant=schedule.tenant,
            )
        )
    except InvalidTask as error:
        raise InvalidSchedule(str(error.values["reason"]), name=schedule.name) from None
