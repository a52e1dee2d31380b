"""Naps, of which some record a call to a language model, as most agents' work does."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from agentpg.tasks.handlers import App
from agentpg.tasks.retry import Backoff
from agentpg.tasks.run import Run

app = App()


@app.task("Napping", "nap", backoff=Backoff(first=timedelta()))
async def nap(run: Run, seconds: float, call: bool = False) -> str:
    if not call:
        await asyncio.sleep(seconds)
        return "rested"
    async with run.llm_call(provider="openai", model="gpt-4o-mini") as request:
        await asyncio.sleep(seconds)
        request.usage(input_tokens=200, cache_read_tokens=50, output_tokens=30)
    return "dreamt"
