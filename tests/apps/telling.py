"""Handlers that tell how far they are."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

from agentpg.tasks.handlers import App
from agentpg.tasks.run import Run

app = App()


@app.task("Telling", "steps")
async def steps(run: Run, go_on: str = "") -> None:
    """Tell a half, wait for the file if there is one, and tell the end."""
    run.log.info("begins")
    run.progress(0.5, "half of it")
    while go_on and not Path(go_on).exists():
        await asyncio.sleep(0.01)
    run.log.warning("ends")
    run.progress(1.0, "done")


@app.task("Telling", "loop")
def loop(run: Run, times: int) -> float:
    """Tell in a tight loop; the seconds that a thousand calls take."""
    began = time.perf_counter()
    for number in range(times):
        run.progress(number / times, f"{number}")
    run.progress(1.0, "all")
    return (time.perf_counter() - began) * 1000 / times


@app.task("Telling", "threads")
def threads(run: Run) -> None:
    def tell(number: int) -> None:
        for line in range(50):
            run.log.info("thread %s line %s", number, line)
            run.progress(line / 50)

    working = [threading.Thread(target=tell, args=(number,)) for number in range(4)]
    for one in working:
        one.start()
    for one in working:
        one.join()


@app.task("Telling", "talk")
async def talk(run: Run, lines: int = 0) -> None:
    """Lines of all kinds, and then so many more."""
    run.log.debug("a detail")
    run.log.info("the key is sk-proj-abcdefghijkl, the %s is dull", "rest")
    run.log.error("long " + "x" * 3000)
    run.log.info("a zero \x00 byte and %s too few: %s", "one")  # noqa: PLE1206
    try:
        int("no number")
    except ValueError:
        run.log.exception("it failed")
    for number in range(lines):
        run.log.info("line %s", number)


@app.task("Telling", "odd")
async def odd(run: Run, fraction: float | str) -> None:
    run.progress(float(fraction), "x" * 300)


@app.task("Telling", "silent")
async def silent(run: Run) -> None:
    await asyncio.sleep(0)


@app.task("Telling", "wait")
async def wait(run: Run, go_on: str) -> None:
    """Tell one thing, wait until the file is there, and tell another."""
    run.progress(0.1, f"attempt {run.task.attempt}")
    run.log.info("first of attempt %s", run.task.attempt)
    while not Path(go_on).exists():
        await asyncio.sleep(0.01)
    run.progress(0.9, f"late, of attempt {run.task.attempt}")
    run.log.info("late, of attempt %s", run.task.attempt)
    await asyncio.sleep(0.5)


@app.task("Telling", "busy", runs_in="process")
def busy(run: Run, go_on: str = "") -> None:
    run.log.info("begins")
    for step in range(5):
        run.progress(0.1 * step, f"step {step}")
    while go_on and not Path(go_on).exists():
        time.sleep(0.01)
    run.progress(1.0, "done")
