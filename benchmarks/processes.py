"""A peer's worker as a process: start it at a sign, follow what it says, stop it."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Self

from benchmarks.roster import ROOT, Competitor, PeerFailed, environment_for

_READY_SECONDS = 60.0
_STOP_SECONDS = 30.0


@dataclass(slots=True)
class Progress:
    """What a worker has said so far; times of the monotonic clock."""

    ready: bool = False
    count: int = 0
    first: float | None = None
    cpu_at_first: float = 0.0
    counts: list[tuple[float, int]] = field(default_factory=list)
    starts: dict[int, float] = field(default_factory=dict)

    def take(self, news: dict[str, Any]) -> None:
        """Add one line of what it says."""
        self.ready = self.ready or bool(news.get("ready"))
        self.count = news.get("count", self.count)
        self.first = news.get("first", self.first)
        self.cpu_at_first = news.get("cpu", self.cpu_at_first)
        if "at" in news:
            self.counts.append((news["at"], self.count))
        self.starts.update(news.get("starts", []))


class WorkerProcess:
    """One worker of a peer; a context manager that leaves nothing running."""

    def __init__(self, peer: Competitor, environment: dict[str, str], *options: str) -> None:
        self.progress = Progress()
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by __exit__
        self._process = subprocess.Popen(
            peer.command("worker", *options),
            env=environment_for(environment),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._errors.close()

    def wait_until_ready(self) -> None:
        """Wait until everything is loaded. Raises PeerFailed."""
        deadline = time.monotonic() + _READY_SECONDS
        while not self.progress.ready:
            self.check()
            if time.monotonic() > deadline:
                raise PeerFailed("a worker did not get ready")
            time.sleep(0.01)

    def go(self) -> None:
        """Let it start to work."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def check(self) -> None:
        """Raise PeerFailed if it has ended by itself."""
        if self._process.poll() is not None:
            self._errors.seek(0)
            raise PeerFailed(f"a worker ended by itself:\n{self._errors.read()[-2000:]}")

    def cpu_seconds(self) -> float:
        """Processor time of the process so far."""
        return process_cpu_seconds(self._process.pid)

    def stop(self) -> None:
        """End it in its own way, so that its last statistics reach the server."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None and not pipe.closed:
                pipe.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.progress.take(json.loads(line))


def process_cpu_seconds(pid: int) -> float:
    """Processor time of a process so far, to the nanosecond; see clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | 2)
