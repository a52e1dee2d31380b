"""The stand-in as a child process."""

from __future__ import annotations

import contextlib
import selectors
import subprocess
import sys
from datetime import timedelta
from types import TracebackType
from typing import IO, Self

from agentpg.errors import StandInNotStarted
from agentpg.language import N_

_SECONDS_TO_START = 20.0
_SECONDS_TO_STOP = 5.0


class StandIn:
    """Starts the stand-in in a process of its own, which ends with this one, however it ends.

    `latency` is the time before each answer, `pace` the time for each word of a stream.
    With a `key`, no other is accepted; without, any is. Use it as a context manager, or
    call `start` and `stop`.
    """

    def __init__(
        self,
        *,
        latency: timedelta = timedelta(milliseconds=50),
        pace: timedelta = timedelta(milliseconds=2),
        key: str = "",
    ) -> None:
        self._options = ["--latency", str(latency.total_seconds())]
        self._options += ["--pace", str(pace.total_seconds())]
        self._options += ["--key", key] if key else []
        self._process: subprocess.Popen[str] | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """Its address, as OPENAI_BASE_URL takes it: with /v1 at its end."""
        return self._url

    @property
    def anthropic_url(self) -> str:
        """Its address as Anthropic's client takes it: without /v1."""
        return self._url.removesuffix("/v1")

    def start(self) -> Self:
        """Start it and wait until it serves. Raises StandInNotStarted."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "agentpg.agents.standin", "--with-parent", *self._options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None  # noqa: S101 - for the type checker
        self._url = _first_line(self._process.stdout)
        if not self._url:
            self.stop()
            raise StandInNotStarted(N_("it gave no address"))
        return self

    def stop(self) -> None:
        """Stop it, if it runs."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=_SECONDS_TO_STOP)
        if process.poll() is None:
            process.kill()
            process.communicate()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _first_line(output: IO[str]) -> str:
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        if not selector.select(_SECONDS_TO_START):
            return ""
    return output.readline().strip()
