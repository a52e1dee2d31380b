"""Handlers that behave: they echo, take their time, or stop the loop."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from agentpg.tasks.handlers import App
from agentpg.tasks.retry import Backoff
from agentpg.tasks.run import Run

app = App()

AT_ONCE = Backoff(first=timedelta(), jitter=0)


@app.task("Plain", "echo", backoff=AT_ONCE)
async def echo(run: Run, **payload: Any) -> dict[str, Any]:
    return {"attempt": run.task.attempt, **payload}


@app.task("Plain", "nap", backoff=AT_ONCE)
async def nap(run: Run, seconds: float = 0.05) -> float:
    await asyncio.sleep(seconds)
    return seconds


@app.task("Plain", "sync_nap", backoff=AT_ONCE)
def sync_nap(run: Run, seconds: float = 0.05) -> float:
    time.sleep(seconds)
    return seconds


@app.task("Plain", "first_slow", backoff=AT_ONCE)
async def first_slow(run: Run, seconds: float = 60) -> int:
    """Slow in its first attempt only, so that what is taken over is soon done."""
    if run.task.attempt == 1:
        await asyncio.sleep(seconds)
    return run.task.attempt


@app.task("Plain", "until", backoff=AT_ONCE)
async def until(run: Run, path: str) -> int:
    """Take until a file is there."""
    while not Path(path).exists():
        await asyncio.sleep(0.02)
    return run.task.attempt


@app.task("Plain", "once", on_crash="fail")
async def once(run: Run, seconds: float = 60) -> None:
    await asyncio.sleep(seconds)


@app.task("Plain", "call", backoff=AT_ONCE)
async def call(run: Run, seconds: float = 60) -> int:
    """Calls a model that answers late in the first attempt, and at once in the next."""
    async with run.llm_call(provider="openai", model="gpt-4o-mini") as request:
        if run.task.attempt == 1:
            await asyncio.sleep(seconds)
        request.usage(input_tokens=100, output_tokens=20)
    return run.task.attempt
