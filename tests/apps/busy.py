"""Handlers that keep a processor busy, in child processes of the worker."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path

from agentpg.tasks.handlers import App
from agentpg.tasks.retry import Backoff
from agentpg.tasks.run import Run

app = App()

AT_ONCE = Backoff(first=timedelta(), jitter=0)


@app.task("Busy", "count", runs_in="process")
def count(run: Run, numbers: int = 10) -> dict[str, int]:
    return {"sum": sum(range(numbers)), "pid": os.getpid()}


@app.task("Busy", "await", runs_in="process")
async def awaiting(run: Run) -> int:
    return os.getpid()


@app.task("Busy", "deaf", runs_in="process", timeout=timedelta(seconds=0.5), max_attempts=1)
def deaf(run: Run) -> None:
    """Take no notice of anything."""
    while True:
        sum(range(10_000))


@app.task("Busy", "forever", runs_in="process")
def forever(run: Run, tell: str) -> None:
    """Tell the process id, in a file, and take no notice of anything."""
    _tell(tell)
    while True:
        sum(range(10_000))


@app.task("Busy", "hold", runs_in="process", timeout=timedelta(seconds=0.3), max_attempts=1)
def hold(run: Run, tell: str) -> None:
    """Keep the interpreter to itself, so that no other thread of the process runs."""
    _tell(tell)
    ctypes.PyDLL(None).sleep(3600)


@app.task("Busy", "hold_on", runs_in="process")
def hold_on(run: Run, tell: str) -> None:
    """The same without a time-out."""
    hold(run, tell)


@app.task("Busy", "notice", runs_in="process")
def notice(run: Run, tell: str) -> None:
    """End when told to, and say so."""
    _tell(tell)
    try:
        while True:
            run.check()
            time.sleep(0.01)
    finally:
        Path(tell).write_text("noticed")


@app.task("Busy", "die", runs_in="process", backoff=AT_ONCE)
def die(run: Run) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@app.task("Busy", "talk_and_die", runs_in="process", backoff=AT_ONCE)
def talk_and_die(run: Run) -> None:
    run.log.warning("the last words")
    os.kill(os.getpid(), signal.SIGKILL)


@app.task("Busy", "spend", runs_in="process")
def spend(run: Run) -> None:
    with run.llm_call(provider="openai", model="gpt-4o-mini") as call:
        call.usage(input_tokens=200, output_tokens=30)


@app.task("Busy", "call_for_ever", runs_in="process", timeout=timedelta(seconds=1), max_attempts=1)
def call_for_ever(run: Run) -> None:
    with run.llm_call(provider="openai", model="gpt-4o-mini"):
        ctypes.PyDLL(None).sleep(3600)


@app.task("Busy", "talk", runs_in="process")
def talk(run: Run, text: str) -> None:
    print(f"out {text}")  # noqa: T201
    print(f"err {text}", file=sys.stderr)  # noqa: T201
    run.log.info("log %s", text)
    try:
        int(text)
    except ValueError:
        run.log.exception("failed at %s", text)


@app.task("Busy", "echo", runs_in="process")
def echo(run: Run, text: str, times: int = 1) -> str:
    return text * times


def _tell(tell: str) -> None:
    Path(f"{tell}.part").write_text(str(os.getpid()))
    Path(f"{tell}.part").rename(tell)
