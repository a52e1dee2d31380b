"""A worker: claims tasks, runs their handlers, and has their outcomes written.

See README.md in this folder for the states and the promises.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import UUID

from agentpg.db import Database, Statements, SteadyConnection, is_refused_value, work_channel_of
from agentpg.errors import AgentpgError
from agentpg.settings import Settings
from agentpg.tasks.alone import Alone
from agentpg.tasks.attempt import Attempt, released
from agentpg.tasks.children import Children, prepare_children
from agentpg.tasks.encoding import decode_payload
from agentpg.tasks.handlers import App, Handler
from agentpg.tasks.hands import Hands
from agentpg.tasks.journal import Journal
from agentpg.tasks.marks import MARGIN, Marks
from agentpg.tasks.model import Claimed, Settlement
from agentpg.tasks.pace import Rate, spread, until
from agentpg.tasks.pulse import Held, Pulse, PulseEvents
from agentpg.tasks.registration import Registration
from agentpg.tasks.run import Run
from agentpg.tasks.schedules import row_of
from agentpg.tasks.settling import Settling
from agentpg.tasks.turns import Turns
from agentpg.tasks.usage import Ledger

_log = logging.getLogger("agentpg.worker")

# The prefetch: a tenth of a second of the work that was lately done in a second.
_PREFETCH_SECONDS = 0.1
_LARGEST_CLAIM = 5000

# What waits longer than this in the buffer is handed back.
_STALE_SECONDS = 1.0

# Where a row of the claim has attempt and payload, and where its priority and `run_at` begin.
_ATTEMPT = Claimed._fields.index("attempt")
_PAYLOAD = Claimed._fields.index("payload")
_FIELDS = len(Claimed._fields)

# A wait for lanes that is not worth asking to be notified for.
_SHORT_WAIT = 0.02

# Delayed tasks of others may come due one after the other; a poll comes no sooner than this.
_SHORTEST_POLL = 0.1

# Waits between claims while the database is away.
_FIRST_WAIT = 0.1
_LONGEST_WAIT = 5.0


class Worker:
    """Runs the handlers of one app until it is told to stop.

    `concurrency` is how many handlers run at a time; the default is the setting.
    `run()` returns after `stop()`: handlers may finish within the grace, the rest is handed
    back. `stop_now()` skips the grace.
    """

    def __init__(
        self, app: App, database: Database, settings: Settings, *, concurrency: int | None = None
    ) -> None:
        if not len(app):
            raise AgentpgError("the app has no handlers", hint="Register one with @app.task(…).")
        self._app = app
        self._database = database
        self._settings = settings
        self._concurrency = concurrency or settings.concurrency
        self._sql = Statements("worker", database.schema)
        self._registration = Registration(
            [handler.key for handler in app], self._concurrency, settings.lease
        )
        name = f"agentpg worker {self._registration.id}"
        # Not by the pulse's connection and thread: the server's process that claims is awake
        # then, and so is this loop.
        self._claiming = SteadyConnection(
            database, name, channel=work_channel_of(database.schema), heard=self._wake
        )
        self._writing = SteadyConnection(database, name)
        self._ledger = Ledger(self._writing, database.schema)
        self._journal = Journal(self._writing, database.schema)
        children = min(self._concurrency, settings.child_processes)
        self._children = Children(settings, database, children)
        self._hands = Hands(
            app, self._concurrency, begin=self._begin, put=self._put, slot_freed=self._slot_freed
        )
        self._settling = Settling(self._writing, database.schema, self._settled)
        self._marks = Marks(settings.poll_interval)
        self._claim_keys = [_claim_key(handler) for handler in app]
        declared = [row_of(one, settings.payload_limit, declared=True) for one in app.schedules]
        self._pulse = Pulse(database, self._registration, self._held, self._events(), declared)
        self._not_twice = [_claim_key(h) for h in app if h.on_crash == "fail"]
        self._poll = settings.poll_interval.total_seconds()
        self._turns = Turns(
            self._claiming, database.schema, self._claim_keys, self._not_twice, self._poll
        )
        self._next_due = float("inf")
        self._rate = Rate()
        self._idle = True
        self._claim_under_way = False
        self._claims_lost = 0
        self._stopping = asyncio.Event()
        self._stopping_now = asyncio.Event()
        self._room_made = asyncio.Event()
        self._work_came = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def id(self) -> UUID:
        """The id under which this worker is registered now."""
        return self._registration.id

    async def run(self) -> None:
        """Work until told to stop. Raises DatabaseUnavailable if the start fails."""
        self._loop = asyncio.get_running_loop()
        prepare_children(self._app)
        self._journal.begin()
        await self._register()
        self._pulse.start()
        settling = asyncio.create_task(self._settling.run())
        tending = asyncio.create_task(self._tend_buffer())
        _log.info("worker %s started, with %s handlers", self.id, len(self._app))
        try:
            await self._claim_until_stopped()
            await self._wind_down()
        finally:
            await self._end_pulse()
            tending.cancel()
            settling.cancel()
            self._hands.close()
            await self._children.close()
            await self._leave()

    async def _register(self) -> None:
        try:
            await self._claiming.execute(self._sql["register"], self._registration.row())
            declare = Statements("limits", self._database.schema)["declare"]
            for limit in self._app.limits:
                await self._claiming.execute(declare, limit.parameters())
        except BaseException:
            await self._claiming.close()
            raise

    def stop(self) -> None:
        """Finish what runs within the grace, hand the rest back, and end."""
        self._stopping.set()
        self._room_made.set()
        self._work_came.set()

    def stop_now(self) -> None:
        """Hand everything back at once, and end."""
        self._stopping_now.set()
        self.stop()

    # Claiming

    async def _claim_until_stopped(self) -> None:
        wait = _FIRST_WAIT
        while not self._stopping.is_set():
            try:
                await self._claim_once()
                wait = _FIRST_WAIT
            except Exception as error:  # noqa: BLE001 - no claim that fails may end the worker
                _log.warning("%s; trying again", error)
                await self._mend(error)
                await until(self._stopping, seconds=spread(wait, 0.5))
                wait = min(wait * 2, _LONGEST_WAIT)

    async def _mend(self, error: Exception) -> None:
        """Mend what keeps every claim from succeeding, where that can be done."""
        if is_refused_value(error):
            with suppress(AgentpgError):
                await self._claiming.execute(self._sql["lift_attempts"])

    async def _claim_once(self) -> None:
        """Claim when there is room, and wait when there is none, or nothing to claim."""
        if self._work_came.is_set():
            self._turns.wake()
        self._room_made.clear()
        self._work_came.clear()
        room = self._room()
        if not room:
            await self._room_made.wait()
        elif self._marks.look_is_due and not await self._look():
            await self._wait_for_work()
        elif await self._claim(room) == room:
            self._idle = False
        elif not self._marks.look_is_allowed:
            # What woke us may be delayed, or lie below a mark: the next look will tell.
            soon = time.monotonic() + self._marks.seconds_to_look()
            self._next_due = min(self._next_due, soon)
            if not await self._finds_lanes():
                await self._wait_for_work()
        elif not await self._look():
            await self._wait_for_work()

    def _room(self) -> int:
        """How many tasks to claim now; 0 until enough room has gathered for a batch."""
        # What must not run twice is never claimed before there is a slot for it: if its
        # worker died meanwhile, nobody could tell that it had not begun.
        prefetch = 0 if self._not_twice else self._rate.expected(_PREFETCH_SECONDS)
        waiting = self._hands.waiting
        if waiting and waiting >= prefetch / 2:
            return 0
        free = self._concurrency + prefetch - self._hands.running - waiting
        return max(0, min(free, _LARGEST_CLAIM))

    async def _claim(self, room: int) -> int:
        """Claim from the lanes, if something waits there, and from those that stand in none."""
        worker = self.id
        taken = 0
        self._claim_under_way = True
        try:
            if self._turns.wanted:
                marks = self._marks.parameters()
                turn = await self._turns.claim(worker, room, self._free_slots(), marks)
                taken, room = self._take(turn.tasks, worker), turn.plain
            if room:
                taken += self._take(await self._claim_plain(worker, room), worker)
        except BaseException:
            self._claims_lost += 1
            raise
        finally:
            self._claim_under_way = False
        return taken

    def _free_slots(self) -> int:
        return max(0, self._concurrency - self._hands.running - self._hands.waiting)

    async def _claim_plain(self, worker: UUID, room: int) -> list[tuple[Any, ...]]:
        parameters = {
            "worker": worker,
            "batch": room,
            "handlers": self._claim_keys,
            "not_twice": self._not_twice,
            **self._marks.parameters(),
        }
        rows = await self._claiming.execute(self._sql["claim"], parameters)
        if rows and rows[-1][0] is None:
            self._turns.notice(rows.pop()[_ATTEMPT])
        self._marks.claimed([(*row[-2:], row[0]) for row in rows])
        return rows

    def _take(self, rows: list[tuple[Any, ...]], worker: UUID) -> int:
        self._hands.take([_claimed(row) for row in rows], worker)
        return len(rows)

    async def _look(self) -> bool:
        """Look for tasks below the marks too; whether there is anything to claim."""
        started = time.monotonic()
        parameters = {"handlers": self._claim_keys, "margin": MARGIN}
        rows = await self._claiming.execute(self._sql["look"], parameters)
        behind, in_lanes = rows[0][:2]
        if in_lanes:
            self._turns.notice(0)
        heads = [row[2:5] for row in rows if row[2] is not None]
        now = time.monotonic()
        due = self._marks.looked(now - started, behind, heads)
        self._next_due = now + min((row[5] for row in rows if row[5] is not None), default=3600.0)
        return due or self._turns.wanted

    async def _finds_lanes(self) -> bool:
        """Whether something has come into a lane since the last claim from them."""
        if self._turns.wanted:
            return False
        rows = await self._claiming.execute(
            self._sql["waits_in_lane"], {"handlers": self._claim_keys}
        )
        if rows[0][0]:
            self._turns.notice(0)
        return self._turns.wanted

    async def _tend_buffer(self) -> None:
        """Hand back what was claimed ahead of work that turned out slower than the last."""
        while True:
            await asyncio.sleep(_STALE_SECONDS / 2)
            if self._hands.hand_back_stale(_STALE_SECONDS):
                self._rate.forget()

    async def _wait_for_work(self) -> None:
        """Wait for a notification or the next poll; ask to be notified first."""
        pause = self._turns.pause()
        if pause < _SHORT_WAIT:
            await until(self._work_came, seconds=pause)
            return
        if not self._idle:
            self._idle = True  # before it is written: see Pulse._beat
            await self._claiming.execute(self._sql["note_idle"], {"worker": self.id})
            return  # look once more: what came in meanwhile was not notified
        with self._claiming.hearing(), suppress(TimeoutError):
            async with asyncio.timeout(min(pause, self._until_poll())):
                await self._work_came.wait()

    def _until_poll(self) -> float:
        """Seconds to the next poll, or to the moment when a task comes due before that."""
        poll = self._poll if self._claiming.listens else self._poll / 2
        until_due = max(self._next_due - time.monotonic(), _SHORTEST_POLL)
        return min(spread(poll, 0.1), until_due)

    def _wake(self) -> None:
        self._work_came.set()

    # Running

    def _begin(self, task: Claimed, handler: Handler) -> Attempt | Alone:
        page = partial(self._journal.page, task, self.id)
        if task.suspect or handler.runs_in == "process":
            return Alone(handler, task, self._children, page)
        assert self._loop is not None  # noqa: S101 - there is one while there are attempts
        run = Run(
            task,
            settings=self._settings,
            database=self._database,
            ledger=self._ledger,
            loop=self._loop,
            page=page,
        )
        return Attempt(handler, task, run, self._settings.result_limit)

    def _put(self, worker: UUID, settlement: Settlement) -> None:
        self._settling.put(worker, settlement)

    def _settled(self, settlement: Settlement) -> None:
        self._hands.forget(settlement)
        if self._turns.held_back:
            self._work_came.set()

    def _slot_freed(self) -> None:
        self._rate.count()
        self._room_made.set()

    # What the pulse says; it speaks in its own thread

    def _events(self) -> PulseEvents:
        hands = self._hands
        return PulseEvents(
            wake=lambda: self._soon(self._wake),
            lost=lambda attempts: self._soon(hands.drop, attempts, "another has it now"),
            cancel=lambda attempts: self._soon(hands.cancel, attempts),
            forgotten=lambda attempts: self._soon(self._hand_back_forgotten, attempts),
            declared_dead=lambda dead: self._soon(hands.drop_all_of, dead),
        )

    def _soon(self, call: Callable[..., None], *arguments: object) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *arguments)

    def _held(self) -> Held:
        return Held(self._hands.attempts(), self._hands.running, self._idle, self._claims_lost)

    def _hand_back_forgotten(self, attempts: list[tuple[UUID, int]]) -> None:
        if self._claim_under_way:
            return  # they may be in its answer, which is still to be read
        for task, attempt in attempts:
            if not self._hands.knows(task):
                _log.warning("task %s was claimed and forgotten; handing it back", task)
                reason = "its claim was lost with the connection"
                self._settling.put(self.id, released(task, attempt, reason))

    # Stopping

    async def _wind_down(self) -> None:
        self._hands.hand_back_buffer()
        grace = self._settings.shutdown_grace.total_seconds()
        if self._hands.running and not self._stopping_now.is_set():
            _log.info("worker %s waits for %s handlers", self.id, self._hands.running)
            await until(self._stopping_now, self._hands.quiet, seconds=grace)
        await self._hands.let_go()
        # Without a database the outcomes cannot be written: the lease will tell the others.
        try:
            await asyncio.wait_for(self._settling.flushed(), timeout=grace)
        except TimeoutError:
            _log.warning("worker %s ends with outcomes that it could not write", self.id)

    async def _end_pulse(self) -> None:
        """Wait for the pulse's thread, in no pool that handlers may have filled."""
        self._pulse.end_soon()
        while self._pulse.beats:
            await asyncio.sleep(0.02)

    async def _leave(self) -> None:
        await self._ledger.drain(self._settings.shutdown_grace.total_seconds())
        await self._journal.drain(self._settings.shutdown_grace.total_seconds())
        try:
            await self._claiming.execute(self._sql["leave"], {"worker": self.id})
        except AgentpgError as error:
            _log.warning("worker %s could not say that it left: %s", self.id, error)
        await self._claiming.close()
        await self._writing.close()
        _log.info("worker %s stopped", self.id)


def _claimed(row: Sequence[Any]) -> Claimed:
    """A row of the claim, which begins with the fields of Claimed in their order.

    The payload comes as text, since one that cannot be read must not keep the others from
    being run.
    """
    payload = decode_payload(row[_PAYLOAD])
    return Claimed._make((*row[:_PAYLOAD], payload, *row[_PAYLOAD + 1 : _FIELDS]))


def _claim_key(handler: Handler) -> str:
    """A handler as the claim compares it."""
    return f"{handler.agent_name}\x1f{handler.task_type}"
