"""A child process of a worker, from the inside: it runs attempts, one after the other.

It is told what to do through a pipe and answers through it. Its log lines go the same way,
to be written by the worker. It ends when its worker ends, in whatever way.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import fcntl
import io
import logging
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from types import FrameType
from typing import NamedTuple

from agentpg.db import Database, SteadyConnection
from agentpg.sealing import sealer_of
from agentpg.settings import Settings
from agentpg.tasks.attempt import Attempt
from agentpg.tasks.handlers import Handler
from agentpg.tasks.journal import LONGEST_LINE, MOST_LINES, Telling
from agentpg.tasks.ledger import Ledger
from agentpg.tasks.model import Claimed, Outcome, Verdict
from agentpg.tasks.run import Run

# What an attempt leaves to be written is waited for so long.
_SECONDS_TO_WRITE = 10.0

# Progress is passed on to the worker so often at most.
_RELAY_SECONDS = 0.2

# How often a child without a lifeline looks whether its worker lives.
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a child knows of its worker, from its start on."""

    settings: Settings
    database: Database
    log_levels: dict[str, int]


class Work(NamedTuple):
    """One attempt; no handler means the one that the child was forked with."""

    handler: Handler | None
    task: Claimed


class Stop(NamedTuple):
    """The order to interrupt the attempt under way."""

    outcome: Outcome
    reason: str


class Begun(NamedTuple):
    """The work was taken up: from now on a death is the task's own."""


class Told(NamedTuple):
    """News of the attempt: its progress, or else a log line."""

    level: int | None
    fraction: float
    text: str

    def tell(self, page: Telling) -> None:
        """Pass it on."""
        if self.level is None:
            page.progress(self.fraction, self.text)
        else:
            page.line(self.level, self.text)


class Answer(NamedTuple):
    """What came of the work. A child that is `spent` must not be given any more."""

    verdict: Verdict
    spent: bool


def live(
    pipe: Connection,
    lifeline: Connection | None,
    surroundings: Surroundings,
    inherited: Handler | None,
) -> None:
    """The child's whole life. Without a lifeline it was forked from the worker itself."""
    # A Ctrl-C, or the end of a service, reaches every process: the worker tells us what to do.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave_to_worker)
    if lifeline is None:
        threading.Thread(target=_watch_parent, daemon=True).start()
    else:
        _die_with(lifeline)
    _print_at_once()
    outbox = _Outbox(pipe)
    _send_logs(outbox, surroundings.log_levels)
    # Not asyncio.run, which would wait for tasks that a handler left behind.
    asyncio.new_event_loop().run_until_complete(_serve(pipe, outbox, surroundings, inherited))
    # A thread that a handler left behind must not keep the process.
    os._exit(0)


async def _serve(
    pipe: Connection, outbox: _Outbox, surroundings: Surroundings, inherited: Handler | None
) -> None:
    bench = _Bench(surroundings, outbox, inherited)
    listener = threading.Thread(target=_listen, args=(pipe, bench), daemon=True)
    listener.start()
    while (work := await bench.orders.get()) is not None:
        outbox.send(Begun())
        outbox.send(await bench.run(work))
    await bench.close()


class _Bench:
    """Where one attempt at a time is run."""

    def __init__(
        self, surroundings: Surroundings, outbox: _Outbox, inherited: Handler | None
    ) -> None:
        self.orders: asyncio.Queue[Work | None] = asyncio.Queue()
        self.loop = asyncio.get_running_loop()
        self._surroundings = surroundings
        self._outbox = outbox
        self._inherited = inherited
        database = surroundings.database
        self._connection = SteadyConnection(database, f"agentpg child {os.getpid()}")
        sealer = sealer_of(surroundings.settings)
        self._ledger = Ledger(self._connection, database.schema, sealer)
        self._attempt: Attempt | None = None

    async def run(self, work: Work) -> Answer:
        """Run one attempt to its end."""
        handler = work.handler or self._inherited
        assert handler is not None  # noqa: S101 - the worker gives one or the other
        run = Run(
            work.task,
            settings=self._surroundings.settings,
            database=self._surroundings.database,
            ledger=self._ledger,
            loop=self.loop,
            page=partial(_Relay, self._outbox, self.loop),
        )
        self._attempt = Attempt(handler, work.task, run, self._surroundings.settings.result_limit)
        # In a task of its own, which an interruption may use up.
        verdict = await self.loop.create_task(self._attempt.verdict())
        spent = self._attempt.left_a_thread
        self._attempt = None
        written = await self._ledger.drain(_SECONDS_TO_WRITE)
        return Answer(verdict, spent or not written)

    def stop(self, order: Stop) -> None:
        """Interrupt the attempt, unless it has ended meanwhile."""
        if self._attempt is not None:
            self._attempt.stop(order.outcome, order.reason)

    async def close(self) -> None:
        await self._connection.close()


def _listen(pipe: Connection, bench: _Bench) -> None:
    """Pass on what the worker says; end with the worker."""
    while True:
        try:
            order: Work | Stop | None = pipe.recv()
        except (EOFError, OSError):
            os._exit(1)
        if isinstance(order, Stop):
            bench.loop.call_soon_threadsafe(bench.stop, order)
        else:
            bench.loop.call_soon_threadsafe(bench.orders.put_nowait, order)


class _Outbox:
    """The way to the worker, from any thread."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def send(self, message: object) -> None:
        """Say something to the worker; in vain where it has died."""
        packed = pickle.dumps(message)
        with self._lock, contextlib.suppress(OSError):
            self._pipe.send_bytes(packed)


class _Relay:
    """Passes the news of an attempt on to the worker, which has its page."""

    def __init__(self, outbox: _Outbox, loop: asyncio.AbstractEventLoop) -> None:
        self._outbox = outbox
        self._loop = loop
        self._lines = 0
        self._newest: Told | None = None
        self._sent: Told | None = None
        self._next = 0.0
        self._expected = False
        self._closed = False

    def progress(self, fraction: float, text: str) -> None:
        """Pass on one in a while, and then the newest."""
        self._newest = Told(None, fraction, text)
        wait = self._next - time.monotonic()
        if wait <= 0:
            self._pass_on()
        elif not self._expected:
            self._expected = True
            self._loop.call_soon_threadsafe(self._loop.call_later, wait, self._pass_on)

    def line(self, level: int, message: str) -> None:
        """Pass on a line at once: the process may die."""
        self._lines += 1
        if not self._closed and self._lines <= MOST_LINES + 1:
            self._outbox.send(Told(level, 0.0, message[: 2 * LONGEST_LINE]))

    async def close(self) -> None:
        """Pass on the last progress; what is told later belongs to no attempt."""
        self._pass_on()
        self._closed = True

    def _pass_on(self) -> None:
        self._expected = False
        newest = self._newest
        if not self._closed and newest is not None and newest is not self._sent:
            self._next = time.monotonic() + _RELAY_SECONDS
            self._sent = newest
            self._outbox.send(newest)


class _LogsToWorker(logging.Handler):
    """Hands log lines to the worker, which writes them where its own go."""

    def __init__(self, outbox: _Outbox) -> None:
        super().__init__()
        self._outbox = outbox

    def emit(self, record: logging.LogRecord) -> None:
        """Send a copy that can be pickled."""
        try:
            self._outbox.send(_portable(record))
        except Exception:  # noqa: BLE001 - as every log handler does
            self.handleError(record)


def _portable(record: logging.LogRecord) -> logging.LogRecord:
    """The record as text: its arguments and its exception may be of any kind."""
    plain = copy.copy(record)
    plain.msg, plain.args = record.getMessage(), None
    if record.exc_info:
        plain.exc_text = record.exc_text or logging.Formatter().formatException(record.exc_info)
        plain.exc_info = None
    for name, value in vars(plain).items():
        if not isinstance(value, (str, int, float, bool, type(None))):
            setattr(plain, name, str(value))
    return plain


def _send_logs(outbox: _Outbox, levels: dict[str, int]) -> None:
    """Log as the worker does: the same levels, and all lines to the worker."""
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    root = logging.getLogger()
    root.handlers = [_LogsToWorker(outbox)]
    logging.captureWarnings(capture=True)


def _print_at_once() -> None:
    """What a handler prints must not wait in a buffer: its process may be killed."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)


def _leave_to_worker(number: int, frame: FrameType | None) -> None:
    """Do nothing. Ignoring the signal would make the programs that a handler starts deaf too."""


def _die_with(lifeline: Connection) -> None:
    """Be killed by the kernel when the worker, which holds the other end, has ended.

    A handler that keeps the interpreter to itself can't keep that from happening.
    """
    descriptor = lifeline.fileno()
    fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGKILL)
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_ASYNC)
    if lifeline.poll():
        os._exit(1)  # it ended before we asked to be told


def _watch_parent() -> None:
    worker = multiprocessing.parent_process()
    while worker is not None and os.getppid() == worker.pid:
        threading.Event().wait(_LOOK_SECONDS)
    os._exit(1)
