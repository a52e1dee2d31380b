"""The workers of a run: some connect directly, some over the wire, some through the pooler,
and one lives by a clock of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from agentpg.errors import AgentpgError
from tests.chaos.ground import Ground
from tests.chaos.plan import Plan

_REPOSITORY = Path(__file__).parents[2]
_LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


@dataclass(frozen=True, slots=True)
class Route:
    """A way from a worker to the server: its name, what is put before the command, and the
    environment."""

    name: str
    dsn: str
    before: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


class Clock:
    """A clock that a worker reads instead of the system's; its monotonic one is true."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.there = bool(_LIBRARIES)
        self.jump("+0")

    def jump(self, to: str) -> None:
        """Set it off by so much, such as +2d or -3h."""
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{to}\n")
        draft.rename(self._file)

    def environment(self) -> dict[str, str]:
        """What a process needs to live by it."""
        return {
            "LD_PRELOAD": str(_LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            # In seconds. Reading the file for each look at the clock would cost a core.
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


class Crew:
    """One worker process for each route; whoever ends is replaced."""

    def __init__(self, plan: Plan, ground: Ground, routes: list[Route], log: Path) -> None:
        self._plan = plan
        self._ground = ground
        self._log = log
        self._lock = threading.RLock()
        self._ending = threading.Event()
        self._processes = {route.name: self._start(route) for route in routes}
        self._routes = {route.name: route for route in routes}
        self._tender = threading.Thread(target=self._tend, daemon=True)
        self._tender.start()

    @property
    def routes(self) -> list[str]:
        """The names of the ways on which workers work."""
        return list(self._routes)

    def ids(self, route: str) -> set[UUID]:
        """The ids under which the worker of a route lives."""
        pid = self._processes[route].pid
        with suppress(AgentpgError):
            found = self._ground.ask(
                "SELECT id FROM workers WHERE pid = %s AND ended_at IS NULL", pid
            )
            return {row[0] for row in found}
        return set()

    def kill(self, route: str) -> None:
        """Kill the worker of a route, and start another."""
        with self._lock:
            self._processes[route].kill()
            self._processes[route].wait()
            self._processes[route] = self._start(self._routes[route])

    def replace(self, route: str) -> int:
        """Start another worker beside that of a route, then stop that one; its exit code."""
        with self._lock:
            old = self._processes[route]
            self._processes[route] = self._start(self._routes[route])
        old.terminate()
        return old.wait(self._plan.patience)

    def signal(self, route: str, number: signal.Signals) -> None:
        """Send the worker of a route a signal."""
        self._processes[route].send_signal(number)

    def stop(self) -> list[int]:
        """Tell all to stop, and wait; their exit codes."""
        self._ending.set()
        self._tender.join()
        for process in self._processes.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        return [process.wait(self._plan.patience) for process in self._processes.values()]

    def remove(self) -> None:
        """End all that is left."""
        self._ending.set()
        self._tender.join()
        for process in self._processes.values():
            process.kill()
            process.wait()

    def _tend(self) -> None:
        while not self._ending.wait(0.5):
            with self._lock:
                for name, process in self._processes.items():
                    if process.poll() is not None:
                        self._processes[name] = self._start(self._routes[name])

    def _start(self, route: Route) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [*route.before, sys.executable, "-m", "tests.apps.serve", "tests.apps.stormy"],
                cwd=_REPOSITORY,
                env={
                    **os.environ,
                    "AGENTPG_DSN": route.dsn,
                    "AGENTPG_LEASE": f"{self._plan.lease:g}s",
                    "AGENTPG_CONCURRENCY": str(self._plan.concurrency),
                    "AGENTPG_SHUTDOWN_GRACE": "5s",
                    **route.environment,
                },
                stdout=log,
                stderr=log,
            )
