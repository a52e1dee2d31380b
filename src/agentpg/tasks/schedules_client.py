"""Adding, steering and reading schedules.

Generated from schedules_client_async.py by tools/generate_client.py; change that one.
"""

from __future__ import annotations

import difflib
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from agentpg.audit.acting import Action
from agentpg.db import Pool, Statements, class_row
from agentpg.errors import ScheduleExists, ScheduleNotFound
from agentpg.language import N_
from agentpg.sealing import Sealer
from agentpg.tasks.acting import Acting, together
from agentpg.tasks.arguments import text_of
from agentpg.tasks.schedules import CatchUp, NewSchedule, Schedule, check_schedule, row_of
from agentpg.tasks.sealed import opened_schedule

# What the audit log says of a schedule.
_SAID = ("cron", "time_zone", "agent_name", "task_type", "id")


class Schedules:
    """The schedules of one installation: `client.schedules` of an AsyncClient."""

    def __init__(
        self,
        pool: Pool,
        schema: str,
        payload_limit: int,
        sealer: Sealer | None = None,
        acting: Acting | None = None,
    ) -> None:
        self._pool = pool
        self._sql = Statements("schedules", schema)
        self._payload_limit = payload_limit
        self._sealer = sealer
        self._acting = acting or Acting(schema)

    def add(
        self,
        name: str,
        *,
        cron: str,
        agent_name: str,
        task_type: str,
        payload: Any = None,
        time_zone: str = "UTC",
        catch_up: str = CatchUp.ONE,
        priority: int = 100,
        max_attempts: int | None = None,
        on_crash: str = "retry",
        tenant: str | None = None,
        replace: bool = False,
    ) -> Schedule:
        """Keep a schedule; NewSchedule says what the options mean.

        `replace` changes the one of this name, which stays paused if it is. Raises
        ScheduleExists without it, InvalidSchedule or one of its kinds for a schedule that
        cannot be kept, and PayloadNotJson or PayloadTooLarge.
        """
        schedule = NewSchedule(
            name=name,
            agent_name=agent_name,
            task_type=task_type,
            cron=cron,
            time_zone=time_zone,
            catch_up=catch_up,
            payload=payload,
            priority=priority,
            max_attempts=max_attempts,
            on_crash=on_crash,
            tenant=tenant,
        )
        rows = self._ask("now")
        row = {"next_at": check_schedule(schedule, rows[0][0])}
        row |= row_of(schedule, self._payload_limit, sealer=self._sealer)
        kept = self._act("write" if replace else "add", row, Action.SCHEDULE_ADD)
        if not kept and not replace:
            raise ScheduleExists(name=name)
        return self.get(name)

    def find(self) -> list[Schedule]:
        """All schedules, the next one first, and those that are paused last."""
        with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(Schedule))
            cursor.execute(self._sql["list"])
            schedules = cursor.fetchall()
        return [opened_schedule(self._sealer, schedule) for schedule in schedules]

    def get(self, name: str) -> Schedule:
        """The schedule of this name. Raises ScheduleNotFound."""
        wanted = {"name": text_of("name", name)}
        with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(Schedule))
            cursor.execute(self._sql["get"], wanted)
            schedule = cursor.fetchone()
        if schedule is None:
            raise self._not_found(name)
        return opened_schedule(self._sealer, schedule)

    def pause(self, name: str) -> Schedule:
        """Let a schedule fire no more until it is resumed. Raises ScheduleNotFound."""
        if not self._act("pause", {"name": text_of("name", name)}, Action.SCHEDULE_PAUSE):
            raise self._not_found(name)
        return self.get(name)

    def resume(self, name: str) -> Schedule:
        """Let a schedule fire again from now on: what it would have fired while it was
        paused is not caught up.

        Raises ScheduleNotFound, and CronWrong or ZoneUnknown for one that cannot fire.
        """
        while True:
            schedule = self.get(name)
            values: dict[str, Any] = {"cron": schedule.cron, "time_zone": schedule.time_zone}
            times = schedule.next_times(1)
            moment = times[0] if times else None
            # No row: it was changed meanwhile, or removed, which `get` will say.
            values |= {"name": name, "next_at": moment}
            if self._act("resume", values, Action.SCHEDULE_RESUME):
                return self.get(name)

    def run(self, name: str) -> UUID:
        """Submit the task of a schedule now, beside its ticks and also while it is paused;
        the task's id. Raises ScheduleNotFound."""
        task_id = uuid7()
        wanted = {"name": text_of("name", name), "id": task_id}
        if not self._act("run", wanted, Action.SCHEDULE_RUN):
            raise self._not_found(name)
        return task_id

    def remove(self, name: str) -> None:
        """Delete a schedule; the tasks that it submitted stay. Raises ScheduleNotFound.

        One that an App declares comes back with the next worker of that App.
        """
        wanted = {"name": text_of("name", name)}
        if not self._act("remove", wanted, Action.SCHEDULE_REMOVE):
            raise self._not_found(name)

    def _act(
        self, statement: str, parameters: dict[str, Any], action: Action
    ) -> list[tuple[Any, ...]]:
        """Change one, and note it in the audit log where it was done for somebody."""
        with self._pool.connection() as connection, together(self._acting, connection):
            cursor = connection.execute(self._sql[statement], parameters)
            rows = cursor.fetchall()
            said = {name: parameters[name] for name in _SAID if name in parameters}
            if rows and (entry := self._acting.entry(action, parameters["name"], said)):
                connection.execute(*entry)
        return rows

    def _ask(
        self, statement: str, parameters: dict[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        with self._pool.connection() as connection:
            cursor = connection.execute(self._sql[statement], parameters)
            return cursor.fetchall()

    def _not_found(self, name: str) -> ScheduleNotFound:
        known = [schedule.name for schedule in self.find()]
        near = difflib.get_close_matches(name, known, n=1)
        if near:
            return ScheduleNotFound(hint=N_("Did you mean {near}?"), name=name, near=near[0])
        return ScheduleNotFound(name=name)
