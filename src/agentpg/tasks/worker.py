"""A worker: claims tasks, runs their handlers, and has their outcomes written.

See README.md in this folder for the states and the promises.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from uuid import UUID

from agentpg.db import Database, Statements, SteadyConnection
from agentpg.errors import AgentpgError
from agentpg.redaction import redaction_of
from agentpg.sealing import sealer_of
from agentpg.settings import Settings
from agentpg.tasks.alone import Alone
from agentpg.tasks.attempt import Attempt, released
from agentpg.tasks.children import Children, prepare_children
from agentpg.tasks.claims import Claims
from agentpg.tasks.handlers import App, Handler
from agentpg.tasks.hands import Hands
from agentpg.tasks.journal import Journal
from agentpg.tasks.limits import check_sealed
from agentpg.tasks.model import Claimed, Settlement
from agentpg.tasks.pace import Rate, spread, until
from agentpg.tasks.pulse import Held, Pulse, PulseEvents
from agentpg.tasks.registration import Registration
from agentpg.tasks.run import Run
from agentpg.tasks.schedules import row_of
from agentpg.tasks.settling import Settling
from agentpg.tasks.usage import Ledger

_log = logging.getLogger("agentpg.worker")

# The prefetch: a tenth of a second of the work that was lately done in a second.
_PREFETCH_SECONDS = 0.1
_LARGEST_CLAIM = 5000

# What waits longer than this in the buffer is handed back.
_STALE_SECONDS = 1.0

# A wait for lanes that is not worth asking to be notified for.
_SHORT_WAIT = 0.02

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
        self._stopping = asyncio.Event()
        self._stopping_now = asyncio.Event()
        self._room_made = asyncio.Event()
        self._work_came = asyncio.Event()
        name = f"agentpg worker {self._registration.id}"
        self._claims = Claims(app, database, settings, name, self._wake)
        self._writing = SteadyConnection(database, name)
        sealer = sealer_of(settings)
        for limit in app.limits:
            check_sealed(limit, sealer)
        self._ledger = Ledger(self._writing, database.schema, sealer)
        redaction = redaction_of(settings)
        self._journal = Journal(self._writing, database.schema, sealer, redaction)
        children = min(self._concurrency, settings.child_processes)
        self._children = Children(settings, database, children)
        self._hands = Hands(
            app,
            self._concurrency,
            begin=self._begin,
            put=self._put,
            slot_freed=self._slot_freed,
            room_made=self._room_made.set,
            sealer=sealer,
        )
        self._settling = Settling(self._writing, database.schema, self._settled)
        declared = [
            row_of(one, settings.payload_limit, declared=True, sealer=sealer)
            for one in app.schedules
        ]
        self._pulse = Pulse(database, self._registration, self._held, self._events(), declared)
        self._rate = Rate()
        self._idle = True
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
        settling.add_done_callback(self._settling_ended)
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
            await self._claims.connection.execute(self._sql["register"], self._registration.row())
            declare = Statements("limits", self._database.schema)["declare"]
            for limit in self._app.limits:
                await self._claims.connection.execute(declare, limit.parameters())
        except BaseException:
            await self._claims.connection.close()
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
                await self._claims.mend(error)
                await until(self._stopping, seconds=spread(wait, 0.5))
                wait = min(wait * 2, _LONGEST_WAIT)

    async def _claim_once(self) -> None:
        """Claim when there is room, and wait when there is none, or nothing to claim."""
        if self._work_came.is_set():
            self._claims.wake()
        self._room_made.clear()
        self._work_came.clear()
        room = self._room()
        if not room:
            await self._room_made.wait()
        elif self._claims.look_is_due and not await self._claims.look():
            await self._wait_for_work()
        elif await self._claim(room) == room:
            self._idle = False
        elif not await self._claims.look_further():
            await self._wait_for_work()

    def _room(self) -> int:
        """How many tasks to claim now; 0 until enough room has gathered for a batch."""
        waiting = self._hands.waiting
        prefetch = self._rate.expected(_PREFETCH_SECONDS) if self._claims.may_run_ahead else 0
        if waiting and waiting >= prefetch / 2:
            return 0
        free = self._concurrency + prefetch - self._hands.running - waiting
        return max(0, min(free, _LARGEST_CLAIM))

    async def _claim(self, room: int) -> int:
        worker = self.id
        slots = max(0, self._concurrency - self._hands.running - self._hands.waiting)
        taken = await self._claims.claim(
            worker, room, slots, lambda tasks: self._hands.take(tasks, worker)
        )
        if taken:
            # The handlers begin before anything else is asked.
            await asyncio.sleep(0)
        return taken

    async def _tend_buffer(self) -> None:
        """Hand back what was claimed ahead of work that turned out slower than the last."""
        while True:
            await asyncio.sleep(_STALE_SECONDS / 2)
            if self._hands.hand_back_stale(_STALE_SECONDS):
                self._rate.forget()

    async def _wait_for_work(self) -> None:
        """Wait for a notification or the next poll; ask to be notified first."""
        pause = self._claims.pause_of_lanes()
        if pause < _SHORT_WAIT:
            await until(self._work_came, seconds=pause)
            return
        if not self._idle:
            self._idle = True  # before it is written: see Pulse._beat
            await self._claims.connection.execute(self._sql["note_idle"], {"worker": self.id})
            return  # look once more: what came in meanwhile was not notified
        with self._claims.hearing(), suppress(TimeoutError):
            async with asyncio.timeout(min(pause, self._claims.until_poll())):
                await self._work_came.wait()

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

    def _settling_ended(self, settling: asyncio.Task[None]) -> None:
        """A worker that can write no outcome must not go on beating."""
        if not settling.cancelled():
            _log.error("worker %s cannot settle and stops", self.id, exc_info=settling.exception())
            self.stop_now()

    def _put(self, worker: UUID, settlement: Settlement) -> None:
        self._settling.put(worker, settlement)

    def _settled(self, settlement: Settlement) -> None:
        self._hands.forget(settlement)
        if self._claims.one_has_ended():
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
        return Held(self._hands.attempts(), self._hands.running, self._idle, self._claims.lost)

    def _hand_back_forgotten(self, attempts: list[tuple[UUID, int]]) -> None:
        if self._claims.under_way:
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
            await self._claims.connection.execute(self._sql["leave"], {"worker": self.id})
        except AgentpgError as error:
            _log.warning("worker %s could not say that it left: %s", self.id, error)
        await self._claims.connection.close()
        await self._writing.close()
        _log.info("worker %s stopped", self.id)
