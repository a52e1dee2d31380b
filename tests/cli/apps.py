"""Apps that tests write into their working folder, for processes to load."""

from __future__ import annotations

from pathlib import Path

_GREETER = '''
import asyncio
import time
from datetime import timedelta

from agentpg import App, Backoff, Run

app = App()
AT_ONCE = Backoff(first=timedelta(), jitter=0)


@app.task("Greeter", "greet", backoff=AT_ONCE)
async def greet(run: Run, name: str) -> dict[str, str]:
    if name == "nobody":
        raise ValueError("there is nobody to greet")
    async with run.llm_call(provider="openai", model="gpt-4o-mini") as request:
        request.usage(input_tokens=1200, output_tokens=34)
    return {"greeting": f"Hello, {name}"}


@app.task("Greeter", "nap")
async def nap(run: Run, seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


@app.task("Greeter", "hang")
async def hang(run: Run) -> None:
    """Sits in a thread that the interpreter would wait for."""
    await asyncio.to_thread(time.sleep, 1000)


@app.task("Greeter", "block")
async def block(run: Run) -> None:
    """Stops the whole event loop."""
    time.sleep(1000)
'''


def write_greeter() -> str:
    """Write the app into the working folder; its name for --app."""
    Path("greeting.py").write_text(_GREETER, encoding="utf-8")
    return "greeting:app"
