"""What a worker asks the database for: the next tasks, from the lanes and from the rest.

When it asks, and what becomes of the tasks, is the worker's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any
from uuid import UUID

from agentpg.db import (
    Database,
    Statements,
    SteadyConnection,
    array_literal,
    is_refused_value,
    work_channel_of,
)
from agentpg.errors import AgentpgError
from agentpg.sealing import Sealer, is_sealed_json, sealer_of
from agentpg.settings import Settings
from agentpg.tasks.encoding import decode_payload
from agentpg.tasks.handlers import App, Handler
from agentpg.tasks.marks import MARGIN, Marks
from agentpg.tasks.model import Claimed
from agentpg.tasks.pace import spread
from agentpg.tasks.sealed import opened_payload, refusal
from agentpg.tasks.turns import Turns

# Where a row of the claim has its id and names, attempt and payload, and where its priority and
# `run_at` begin.
_ATTEMPT = Claimed._fields.index("attempt")
_PAYLOAD = Claimed._fields.index("payload")
_NAMES = slice(0, 3)
_FIELDS = len(Claimed._fields)

# Delayed tasks of others may come due one after the other; a poll comes no sooner than this.
_SHORTEST_POLL = 0.1

# How far ahead a look knows what comes due.
_FAR_OFF = 3600.0

Take = Callable[[list[Claimed]], None]


class Claims:
    """The claims of one worker, on a connection of their own.

    `heard` is called when there may be something to claim. `lost` counts claims whose answer
    never came. All methods are for the event loop's thread.
    """

    def __init__(
        self, app: App, database: Database, settings: Settings, name: str, heard: Callable[[], None]
    ) -> None:
        self._sql = Statements("worker", database.schema)
        # Not the pulse's connection and thread: the server's process that claims is awake
        # then, and so is this loop.
        self.connection = SteadyConnection(
            database, name, channel=work_channel_of(database.schema), heard=heard
        )
        self._poll = settings.poll_interval.total_seconds()
        self._marks = Marks(settings.poll_interval)
        handlers = [_key(handler) for handler in app]
        not_twice = [_key(handler) for handler in app if handler.on_crash == "fail"]
        self._turns = Turns(self.connection, database.schema, handlers, not_twice, self._poll)
        self._handlers = array_literal(handlers)
        self._not_twice = array_literal(not_twice)
        self._may_run_ahead = not not_twice
        self._next_due = float("inf")
        self._sealer = sealer_of(settings)
        self.under_way = False
        self.lost = 0

    @property
    def may_run_ahead(self) -> bool:
        """Whether tasks may be claimed before there is a slot for them.

        Not where one must not run twice: if its worker died meanwhile, nobody could tell that
        it had not begun.
        """
        return self._may_run_ahead

    @property
    def look_is_due(self) -> bool:
        """Whether to look for what lies below the marks, and not only to claim."""
        return self._marks.look_is_due

    def wake(self) -> None:
        """Something came: look at the lanes again, whatever the last look found."""
        self._turns.wake()

    def one_has_ended(self) -> bool:
        """Note that a task was settled; whether a limit may now let another one run."""
        return self._turns.held_back

    async def claim(self, worker: UUID, room: int, slots: int, take: Take) -> int:
        """Claim up to `room` tasks, of those under limits up to `slots`, and have them taken.

        How many there were.
        """
        self.under_way = True
        taken = 0
        try:
            if self._turns.wanted:
                turn = await self._turns.claim(worker, room, slots, self._marks.parameters())
                taken, room = self._taken(turn.tasks, take), turn.plain
            elif self._turns.contended:
                return 0  # the others would get in front of more urgent ones in lanes
            if room:
                taken += self._taken(await self._claim_plain(worker, room), take)
                await self._turns.log_held()
        except BaseException:
            self.lost += 1
            raise
        finally:
            self.under_way = False
        return taken

    async def look(self) -> bool:
        """Look for tasks below the marks too; whether there is anything to claim."""
        started = time.monotonic()
        parameters = {"handlers": self._handlers, "margin": MARGIN}
        rows = await self.connection.execute(self._sql["look"], parameters)
        now = time.monotonic()
        behind, in_lanes = rows[0][:2]
        if in_lanes:
            self._turns.notice()
        heads = [row[2:5] for row in rows if row[2] is not None]
        due = self._marks.looked(now - started, behind, heads)
        self._next_due = now + min((row[5] for row in rows if row[5] is not None), default=_FAR_OFF)
        return due or self._turns.wanted

    async def look_further(self) -> bool:
        """After a claim that found too few: look, or see to it that the next poll does."""
        if self._marks.look_is_allowed:
            return await self.look()
        # What woke the worker may be delayed, or lie below a mark.
        self._next_due = min(self._next_due, time.monotonic() + self._marks.seconds_to_look())
        return await self._finds_lanes()

    def pause_of_lanes(self) -> float:
        """Seconds until the lanes are to be looked at again."""
        return self._turns.pause()

    def until_poll(self) -> float:
        """Seconds to the next poll, or to the moment when a task comes due before that."""
        poll = self._poll if self.connection.listens else self._poll / 2
        until_due = max(self._next_due - time.monotonic(), _SHORTEST_POLL)
        return min(spread(poll, 0.1), until_due)

    def hearing(self) -> AbstractContextManager[None]:
        """Within it nothing is asked, and notifications are heard as they arrive."""
        return self.connection.hearing()

    async def mend(self, error: Exception) -> None:
        """Mend what keeps every claim from succeeding, where that can be done."""
        if is_refused_value(error):
            with suppress(AgentpgError):
                await self.connection.execute(self._sql["lift_attempts"])

    def _taken(self, rows: list[tuple[Any, ...]], take: Take) -> int:
        take([_claimed(row, self._sealer) for row in rows])
        return len(rows)

    async def _claim_plain(self, worker: UUID, room: int) -> list[tuple[Any, ...]]:
        parameters = {
            "worker": worker,
            "batch": room,
            "handlers": self._handlers,
            "not_twice": self._not_twice,
            **self._marks.parameters(),
        }
        rows = await self.connection.execute(self._sql["claim"], parameters)
        if rows and rows[-1][0] is None:
            sorted_ones = rows.pop()
            self._turns.notice(sorted_ones[_ATTEMPT], sorted_ones[_PAYLOAD])
        self._marks.claimed([(*row[-2:], row[0]) for row in rows])
        return rows

    async def _finds_lanes(self) -> bool:
        """Whether something has come into a lane since the last claim from them."""
        if self._turns.wanted:
            return False
        parameters = {"handlers": self._handlers}
        rows = await self.connection.execute(self._sql["waits_in_lane"], parameters)
        if rows[0][0]:
            self._turns.notice()
        return self._turns.wanted


def _claimed(row: Sequence[Any], sealer: Sealer | None) -> Claimed:
    """A row of the claim, which begins with the fields of Claimed in their order.

    The payload comes as text, since one that cannot be read must not keep the others from
    being run.
    """
    text = row[_PAYLOAD]
    if text is not None and is_sealed_json(text):
        payload = opened_payload(sealer, text, *row[_NAMES])
    else:
        refused = None if sealer is None else refusal(sealer, *row[_NAMES][1:])
        payload = refused or decode_payload(text)
    return Claimed._make((*row[:_PAYLOAD], payload, *row[_PAYLOAD + 1 : _FIELDS]))


def _key(handler: Handler) -> str:
    """A handler as the claim compares it."""
    return f"{handler.agent_name}\x1f{handler.task_type}"
