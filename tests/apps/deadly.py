"""Handlers that take their process with them, and innocents that run beside them."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import timedelta
from pathlib import Path

from agentpg.tasks.handlers import App
from agentpg.tasks.retry import Backoff
from agentpg.tasks.run import Run

app = App()

AT_ONCE = Backoff(first=timedelta(), jitter=0)


@app.task("Deadly", "die", backoff=AT_ONCE)
async def die(run: Run, how: str = "kill") -> None:
    """End the process: by a signal that nobody can catch, or by leaving at once."""
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(7)


@app.task("Deadly", "die_once", backoff=AT_ONCE)
def die_once(run: Run) -> int:
    """Kill the worker in the first attempt, and behave when run alone."""
    if run.task.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


@app.task("Deadly", "die_at_most_once", on_crash="fail")
async def die_at_most_once(run: Run) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@app.task("Deadly", "innocent", backoff=AT_ONCE)
async def innocent(run: Run, seconds: float = 0.3, tell: str = "") -> int:
    """Tell its process id, in a file, and take its time."""
    if tell:
        Path(f"{tell}.part").write_text(str(os.getpid()))
        Path(f"{tell}.part").rename(tell)
    await asyncio.sleep(seconds)
    return os.getpid()


@app.task("Deadly", "raise")
async def raise_alone(run: Run) -> None:
    raise ValueError("not a crash")


@app.task("Deadly", "hang", timeout=timedelta(seconds=0.3), max_attempts=1)
def hang(run: Run) -> None:
    """Out of time, and deaf to it."""
    while True:
        sum(range(10_000))
