"""Work of every kind that goes on while faults are injected."""

from __future__ import annotations

import asyncio
import select
from datetime import timedelta

from agentpg.tasks.handlers import App
from agentpg.tasks.retry import Backoff
from agentpg.tasks.run import Run

app = App()

SOON = Backoff(first=timedelta(seconds=0.2))


@app.task("Stormy", "nap", backoff=SOON)
async def nap(run: Run, seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "rested"


@app.task("Stormy", "sync_nap", backoff=SOON)
def sync_nap(run: Run, seconds: float) -> str:
    # Not time.sleep, which fails under a faked clock whose monotonic part is true.
    select.select([], [], [], seconds)
    return "rested"


@app.task("Stormy", "call", backoff=SOON)
async def call(run: Run, seconds: float) -> str:
    """Two calls to a model, the second of unknown cost."""
    async with run.llm_call(provider="openai", model="gpt-4o-mini") as first:
        await asyncio.sleep(seconds)
        first.usage(input_tokens=200, cache_read_tokens=50, output_tokens=30)
    async with run.llm_call(provider="elsewhere", model="our-own"):
        await asyncio.sleep(seconds / 10)
    return "dreamt"


@app.task("Stormy", "flaky", backoff=SOON)
async def flaky(run: Run, seconds: float) -> str:
    """Fails once."""
    await asyncio.sleep(seconds)
    if run.task.errors == 0:
        raise ConnectionError("the first time it never works")
    return "in the end"


@app.task("Stormy", "doomed", backoff=SOON, max_attempts=2)
async def doomed(run: Run, seconds: float) -> None:
    await asyncio.sleep(seconds)
    raise ValueError("it never works")


@app.task("Stormy", "once", on_crash="fail")
async def once(run: Run, seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "once"
