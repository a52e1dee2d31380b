"""Several worker processes under one that watches them.

Each is started from the same command, with a pipe as its standard input that nobody writes
to. The pipe ends when the watching process ends, in whatever way, and the workers with it.
"""

from __future__ import annotations

import asyncio
import logging
import os
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from agentpg.db import Database
from agentpg.errors import DatabaseUnavailable, Refused, UsageError
from agentpg.tasks.pace import spread, until
from agentpg.tasks.service import end_at_once, ready_database, run_in_loop, signals

_log = logging.getLogger("agentpg.processes")

# Waits before a process is started again; one that lived long enough starts over.
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 30.0
_LONG_LIFE = 60.0

# After it was told to stop now, a process has so long before it is killed.
_SECONDS_TO_OBEY = 15.0

# A process that ends with one of these would do so again.
_HOPELESS = (UsageError.exit_code, DatabaseUnavailable.exit_code, Refused.exit_code)


class Processes:
    """Keeps so many processes of one command alive until told to stop.

    `environment` is theirs. One that has not ended `patience` after it was told to stop is
    told to stop now, and killed if it does not.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        number: int,
        patience: timedelta,
    ) -> None:
        self._command = command
        self._environment = environment
        self._number = number
        self._patience = patience.total_seconds()
        self.stopping = asyncio.Event()
        self._stopping_now = asyncio.Event()
        self._exit_code = 0

    async def run(self) -> int:
        """Work until told to stop, and return 0.

        Where one process ends with an exit code that says that it cannot work here, all are
        stopped and that code is returned.
        """
        reading, writing = os.pipe()
        keeping = [asyncio.create_task(self._keep(reading)) for _ in range(self._number)]
        letting_go = asyncio.create_task(self._let_go(writing))
        try:
            await asyncio.gather(*keeping)
        finally:
            self._stopping_now.set()
            await letting_go
            os.close(reading)
        return self._exit_code

    def stop(self) -> None:
        """Tell every process to stop, and wait for them."""
        self.stopping.set()

    def stop_now(self) -> None:
        """Tell every process to hand back its tasks at once."""
        self._stopping_now.set()
        self.stopping.set()

    async def _let_go(self, lifeline: int) -> None:
        await self._stopping_now.wait()
        os.close(lifeline)

    async def _keep(self, lifeline: int) -> None:
        """Keep one process alive."""
        wait = _FIRST_WAIT
        while not self.stopping.is_set():
            began = asyncio.get_running_loop().time()
            process = await self._start(lifeline)
            code = await self._end_of(process)
            if self.stopping.is_set():
                return
            if code in _HOPELESS:
                self._exit_code = code
                self.stop()
                return
            if asyncio.get_running_loop().time() - began > _LONG_LIFE:
                wait = _FIRST_WAIT
            _log.warning("worker process %s %s; starting another", process.pid, _how(code))
            await until(self.stopping, seconds=spread(wait, 0.5))
            wait = min(wait * 2, _LONGEST_WAIT)

    async def _start(self, lifeline: int) -> Process:
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=lifeline,
            env=self._environment,
            # A Ctrl-C is for the watching process, which tells the others.
            process_group=0,
        )
        _log.info("started worker process %s", process.pid)
        return process

    async def _end_of(self, process: Process) -> int:
        """The exit code of a process, which is told to stop when we are."""
        ending = asyncio.create_task(process.wait())
        await until(self.stopping, tasks=[ending])
        if not ending.done():
            process.terminate()
            await until(self._stopping_now, tasks=[ending], seconds=self._patience)
        if not ending.done():
            self._stopping_now.set()
            await asyncio.wait([ending], timeout=_SECONDS_TO_OBEY)
        if not ending.done():
            _log.warning("worker process %s does not stop; killing it", process.pid)
            process.kill()
        return await ending


def run_processes(processes: Processes, find_database: Callable[[], Database]) -> int:
    """Wait for the database, then keep the processes alive until a signal stops them.

    Signals mean what they mean to a single worker. Returns the exit code; raises what
    waiting for the database cannot mend.
    """

    async def main() -> int:
        with signals((processes.stop, processes.stop_now), end_at_once):
            if await ready_database(find_database, processes.stopping) is None:
                return 0
            return await processes.run()

    return run_in_loop(main())


def _how(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
