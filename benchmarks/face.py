"""The face that every peer shows to the harness: a program with a few commands.

    describe                                what it is and how it is set up
    install                                 make the peer's schema in an empty database
    submit-bulk --tasks N                   submit N tasks by the best bulk call
    submit-one --tasks N --callers C        submit N tasks one per call, C callers at a time
    submit-paced --tasks N --seconds S      submit one task every S seconds or so
    worker [--eager] [--concurrency C] [--batch B] [--handler-seconds S] [--starts-from N]
                                            run tasks until SIGTERM

A worker is set up to drain a full queue; with `--eager`, to begin single tasks at once. So
many handlers run at a time as its best settings say, or C; it claims at most B tasks at once,
where it can be told so; a handler does nothing, or sleeps for S seconds.

The server is named by libpq's variables (PGHOST, PGPORT, PGUSER, PGDATABASE, PGPASSFILE).
Answers are lines of JSON on standard output. A worker says {"ready": true} when all is
loaded, waits for a line on its standard input, starts, and then says at least every 10 ms
how many tasks have begun by when, when the first did, and with `--starts-from N` when each
did whose n is N or more. Times are those of the monotonic clock, which all processes of a
machine share.

This module does it for peers in Python and needs nothing but the standard library; a peer
in another language is a program of its own with the same commands.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, ClassVar, Protocol

BATCH = 5000
TEXT = "0123456789abcdef" * 4

_REPORT_SECONDS = 0.01
_WARM_UP_CALLS = 50

Payload = dict[str, Any]
Begin = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Order:
    """How a worker is to work; None is the peer's best setting."""

    eager: bool = False
    concurrency: int | None = None
    batch: int | None = None
    seconds: float = 0.0


class Submitter(Protocol):
    """An open client of a peer."""

    async def many(self, payloads: Sequence[Payload]) -> object:
        """Submit up to 5,000 tasks in one call."""

    async def one(self, payload: Payload) -> object:
        """Submit one task."""


class Peer(ABC):
    """A system under measurement, at its best documented settings.

    `unfinished` is SQL for whether a task is left that has not ended, `finished` for how
    many ended well, `history` for leaving what it keeps of {n} finished tasks. `loop` makes
    the event loop that the peer does best with; `worker_loop`, if it is another one, that of
    its worker.
    """

    name: ClassVar[str]
    distribution: ClassVar[str]
    settings: ClassVar[str]
    unfinished: ClassVar[str]
    finished: ClassVar[str]
    history: ClassVar[str | None] = None
    loop: Callable[[], asyncio.AbstractEventLoop] = staticmethod(asyncio.new_event_loop)
    worker_loop: Callable[[], asyncio.AbstractEventLoop] | None = None

    @abstractmethod
    async def install(self) -> None:
        """Make the schema."""

    @abstractmethod
    def submitter(self, callers: int) -> AbstractAsyncContextManager[Submitter]:
        """A client for so many concurrent callers."""

    @abstractmethod
    async def work(self, begin: Begin, order: Order) -> None:
        """Run tasks until SIGTERM; the handler calls `begin` with the payload's n first."""


def payload(n: int) -> Payload:
    """What each task is given."""
    return {"n": n, "text": TEXT}


def serve(peer: Peer) -> None:
    """Be the program that the harness starts."""
    options = _parser().parse_args()
    commands: dict[str, Callable[[], None]] = {
        "describe": lambda: _say(_description(peer)),
        "install": lambda: _run(peer, peer.install()),
        "submit-bulk": lambda: _run(peer, _submit_bulk(peer, options.tasks)),
        "submit-one": lambda: _run(peer, _submit_one(peer, options.tasks, options.callers)),
        "submit-paced": lambda: _run(peer, _submit_paced(peer, options.tasks, options.seconds)),
        "worker": lambda: _work(peer, _order(options), options.starts_from),
    }
    commands[options.command]()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "command",
        choices=("describe", "install", "submit-bulk", "submit-one", "submit-paced", "worker"),
    )
    parser.add_argument("--tasks", type=int, default=0)
    parser.add_argument("--callers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.05)
    parser.add_argument("--eager", action="store_true")
    parser.add_argument("--concurrency", type=int)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--handler-seconds", type=float, default=0.0)
    parser.add_argument("--starts-from", type=int)
    return parser


def _order(options: argparse.Namespace) -> Order:
    return Order(options.eager, options.concurrency, options.batch, options.handler_seconds)


def _description(peer: Peer) -> dict[str, str | None]:
    return {
        "name": peer.name,
        "version": version(peer.distribution),
        "language": f"Python {sys.version.split()[0]}",
        "settings": peer.settings,
        "unfinished": peer.unfinished,
        "finished": peer.finished,
        "history": peer.history,
    }


def _run(peer: Peer, work: Coroutine[Any, Any, None]) -> None:
    _run_in(peer.loop, work)


def _run_in(loop: Callable[[], asyncio.AbstractEventLoop], work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(work)


async def _submit_bulk(peer: Peer, tasks: int) -> None:
    payloads = [payload(n) for n in range(tasks)]
    async with peer.submitter(1) as client:
        await client.one(payload(-1))
        started = time.monotonic()
        for first in range(0, tasks, BATCH):
            await client.many(payloads[first : first + BATCH])
        _say({"seconds": time.monotonic() - started})


async def _submit_one(peer: Peer, tasks: int, callers: int) -> None:
    async with peer.submitter(callers) as client:
        await _call(client, [payload(-1)] * _WARM_UP_CALLS * callers, callers)
        payloads = [payload(n) for n in range(tasks)]
        started = time.monotonic()
        await _call(client, payloads, callers)
        _say({"seconds": time.monotonic() - started})


async def _call(client: Submitter, payloads: Sequence[Payload], callers: int) -> None:
    left = iter(payloads)

    async def caller() -> None:
        for one in left:
            await client.one(one)

    await asyncio.gather(*(caller() for _ in range(callers)))


async def _submit_paced(peer: Peer, tasks: int, seconds: float) -> None:
    """Submit at uneven times, so that nobody's polling can fall into step."""
    async with peer.submitter(1) as client:
        async for n in _paced(tasks, seconds):
            called = time.monotonic()
            await client.one(payload(n))
            _say({"n": n, "called": called})


async def _paced(tasks: int, seconds: float) -> AsyncIterator[int]:
    for n in range(tasks):
        await asyncio.sleep(seconds * random.uniform(0.5, 1.5))
        yield n


class _Tally:
    """Counts tasks as they begin, and tells the harness from a thread of its own."""

    def __init__(self, starts_from: int | None) -> None:
        self._starts_from = math.inf if starts_from is None else starts_from
        self._starts: list[tuple[int, float]] = []
        self._count = 0
        self._first: dict[str, float] = {}

    def begin(self, n: int) -> None:
        """A task has begun."""
        if not self._count:
            self._first = {"first": time.monotonic(), "cpu": time.process_time()}
        self._count += 1
        if n >= self._starts_from:
            self._starts.append((n, time.monotonic()))

    def report_for_ever(self) -> None:
        """Say what is new, a hundred times a second."""
        said, said_starts = 0, 0
        while True:
            time.sleep(_REPORT_SECONDS)
            count = self._count
            if count > said:
                starts = self._starts[said_starts:]
                _say({**self._first, "count": count, "at": time.monotonic(), "starts": starts})
                said, said_starts = count, said_starts + len(starts)


def _work(peer: Peer, order: Order, starts_from: int | None) -> None:
    tally = _Tally(starts_from)
    _say({"ready": True})
    sys.stdin.readline()
    threading.Thread(target=tally.report_for_ever, daemon=True).start()
    _run_in(peer.worker_loop or peer.loop, peer.work(tally.begin, order))


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)
