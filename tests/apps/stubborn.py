"""A handler that writes late: by then its task is another worker's.

The first attempt says that it has begun, waits for the file `go`, and writes something of
one kind. The next one waits for the file `end`, so that it runs while the first one writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from agentpg.errors import HandlerStopped
from agentpg.tasks.handlers import App, Permanent
from agentpg.tasks.retry import Backoff
from agentpg.tasks.run import Run

app = App()


@app.task("Stubborn", "write", backoff=Backoff(first=timedelta(), jitter=0))
async def write(run: Run, kind: str, folder: str) -> str:
    place = Path(folder)
    if run.task.attempt > 1:
        await there(place / "end")
        return "second"
    return await _WRITES[kind](run, place)


async def there(file: Path) -> None:
    """Wait until a file is there."""
    while not file.exists():
        await asyncio.sleep(0.02)


async def begin(place: Path) -> None:
    """Say that it has begun, and wait until it may write."""
    (place / "begun").touch()
    await there(place / "go")


async def complete(run: Run, place: Path) -> str:
    await begin(place)
    return "first"


async def fail(run: Run, place: Path) -> str:
    await begin(place)
    raise ValueError("the first attempt failed")


async def give_up(run: Run, place: Path) -> str:
    await begin(place)
    raise Permanent("the first attempt gave up")


async def open_call(run: Run, place: Path) -> str:
    """Begin a call to a model, and tell whether that was refused."""
    await begin(place)
    try:
        async with run.llm_call(provider="openai", model="gpt-4o-mini") as call:
            call.usage(input_tokens=1000, output_tokens=1000)
    except HandlerStopped:
        (place / "refused").touch()
        raise
    return "first"


async def close_call(run: Run, place: Path) -> str:
    """End a call that was begun in time."""
    async with run.llm_call(provider="openai", model="gpt-4o-mini") as call:
        await begin(place)
        call.usage(input_tokens=100, output_tokens=20)
    (place / "closed").touch()
    return "first"


async def never_end(run: Run, place: Path) -> str:
    (place / "begun").touch()
    await asyncio.sleep(600)
    return "first"


# One for each kind of thing that a handler or its worker writes about an attempt.
_WRITES: dict[str, Callable[[Run, Path], Awaitable[str]]] = {
    "complete": complete,
    "fail": fail,
    "give_up": give_up,
    "open_call": open_call,
    "close_call": close_call,
    "hand_back": never_end,
}
