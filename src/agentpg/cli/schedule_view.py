"""How schedules are shown: the list, one of them, and the JSON of both."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agentpg.cli.output import Column, Output, plain
from agentpg.cli.reasons import reason_in
from agentpg.errors import InvalidSchedule
from agentpg.language import N_
from agentpg.tasks.sealed import Sealed
from agentpg.zones import zone_of

if TYPE_CHECKING:
    from agentpg.tasks.schedules import Schedule

_CATCHES_UP = {
    "skip": N_("none of the ticks that were missed"),
    "one": N_("the newest of the ticks that were missed"),
    "all": N_("all ticks that were missed, up to a thousand"),
}

_WEEKDAYS = (N_("Mon"), N_("Tue"), N_("Wed"), N_("Thu"), N_("Fri"), N_("Sat"), N_("Sun"))


def document(schedule: Schedule, count: int = 0) -> dict[str, object]:
    """For JSON: all that is known, and the next `count` times if any."""
    times = {"next_times": _times(schedule, count)} if count else {}
    return {**dataclasses.asdict(schedule), "state": schedule.state, **times}


def show_list(out: Output, schedules: list[Schedule]) -> None:
    """The table of `schedule list`."""
    columns = (
        Column(N_("Name"), yields=2),
        Column(N_("State"), state=True),
        Column(N_("Cron"), yields=1),
        Column(N_("Time zone"), yields=3),
        Column(N_("Next"), right=True),
        Column(N_("Task"), yields=4),
    )
    rows = [
        (
            one.name,
            one.state,
            one.cron,
            one.time_zone,
            _next(one),
            _task(one),
        )
        for one in schedules
    ]
    out.table(columns, rows, empty=N_("There is no schedule."))


def show_schedule(out: Output, schedule: Schedule, count: int) -> None:
    """One schedule with its next times, in its own zone."""
    out.facts(_facts(out, schedule))
    times = _times(schedule, count)
    if not times:
        return
    out.line()
    paused = schedule.paused_at is not None
    out.heading(N_("Next times, once it is resumed") if paused else N_("Next times"))
    for moment in times:
        weekday = out.translate(_WEEKDAYS[moment.weekday()])
        out.line(f"  {weekday} {moment:%Y-%m-%d %H:%M} {moment.tzname()}")


def _facts(out: Output, schedule: Schedule) -> Iterator[tuple[str, object]]:
    yield N_("name"), schedule.name
    yield N_("task"), _task(schedule)
    yield N_("cron"), f"{schedule.cron}  ({schedule.time_zone})"
    yield N_("state"), _state(out, schedule)
    if schedule.problem is not None:
        yield N_("problem"), schedule.problem
    yield N_("catches up"), out.translate(_CATCHES_UP[schedule.catch_up])
    if schedule.state == "active":
        yield N_("next"), schedule.next_at
    yield N_("last"), schedule.last_at
    if schedule.last_task_id is not None:
        yield N_("its task"), schedule.last_task_id
    if schedule.payload is not None:
        yield N_("payload"), _payload(out, schedule.payload)
    if schedule.declared:
        yield N_("declared"), out.translate(N_("by an app; its workers write it as they start"))


def _state(out: Output, schedule: Schedule) -> str:
    if schedule.paused_at is None:
        return schedule.state
    since = out.translate(N_("since {time}")).format(time=out.text(schedule.paused_at))
    return f"{schedule.state}, {since}"


def _times(schedule: Schedule, count: int) -> list[datetime]:
    try:
        return schedule.next_times(count)
    except InvalidSchedule:
        return []  # its problem says why


def _task(schedule: Schedule) -> str:
    return f"{schedule.agent_name}/{schedule.task_type}"


def _next(schedule: Schedule) -> str | None:
    """When it fires next, by the clock of the zone that stands beside it."""
    if schedule.state != "active" or schedule.next_at is None:
        return None
    try:
        return f"{schedule.next_at.astimezone(zone_of(schedule.time_zone)):%Y-%m-%d %H:%M}"
    except ValueError:  # another machine's zone
        return f"{schedule.next_at.astimezone(UTC):%Y-%m-%d %H:%MZ}"


def _payload(out: Output, payload: Any) -> str:
    if isinstance(payload, Sealed):
        why = reason_in(out.translate, payload.unreadable)
        return f"{out.translate(N_('(sealed)'))} {why}"
    return json.dumps(plain(payload), ensure_ascii=False)
