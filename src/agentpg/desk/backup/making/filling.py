"""Reading the rows for a manifest in a thread, while pg_dump reads the same moment."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from types import TracebackType
from typing import Self

from agentpg.db import ServerError
from agentpg.desk.backup.making.pacing import DumpPace
from agentpg.desk.backup.proof.manifest import Manifest
from agentpg.desk.backup.proof.moment import Moment
from agentpg.desk.backup.proof.taking import Outline, fill_outline

_LOOK_SECONDS = 0.25
_CANCEL_SECONDS = 5.0

Reached = Callable[[int, int], None]


class Filling:
    """The reading of the rows that an outline lacks; a context that ends it.

    `pace` says when they are read. `reached` is called by its thread with the bytes that it has
    read and those of the whole.
    """

    def __init__(self, moment: Moment, outline: Outline, pace: DumpPace, reached: Reached) -> None:
        self._moment = moment
        self._pace = pace
        self._reached = reached
        self._over = False
        self._pool = ThreadPoolExecutor(1, "agentpg-manifest")
        self._manifest = self._pool.submit(
            fill_outline, moment.connection, outline, progress=self._progress, pace=pace
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over = True
        self._pace.let_go()
        while not self._is_done():
            with suppress(ServerError):
                self._moment.connection.cancel_safe(timeout=_CANCEL_SECONDS)
        self._pool.shutdown()

    def raise_failure(self) -> None:
        """Raise what ended it before its time."""
        if self._manifest.done():
            self._manifest.result()

    def wait(self, look: Callable[[], None]) -> Manifest:
        """The manifest, now read by all sessions; calls `look` some times a second meanwhile."""
        self._pace.let_go()
        while not self._is_done():
            look()
        return self._manifest.result()

    def _is_done(self) -> bool:
        """Whether it has ended; waits for a moment."""
        return bool(wait([self._manifest], _LOOK_SECONDS).done)

    def _progress(self, done: int, total: int) -> None:
        if self._over:
            raise _Stopped
        self._reached(done, total)


class _Stopped(Exception):
    """The rows need not be read any further."""
