"""Several processes under one that watches them, with a plain program in their place."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from agentpg.tasks.processes import Processes
from tests.waiting import eventually

pytestmark = pytest.mark.without_server

# Says that it lives, and obeys: SIGTERM ends it unless it is deaf, and so does the end of
# its standard input.
_PROGRAM = """
import os, signal, sys
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(f"alive-{os.getpid()}", "w").close()
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        signal.pause()
if "short" in sys.argv:
    sys.exit(int(sys.argv[2]))
sys.stdin.read()
open(f"let-go-{os.getpid()}", "w").close()
"""


def _processes(*arguments: str, number: int = 2, patience: float = 30) -> Processes:
    command = [sys.executable, "-c", _PROGRAM, *arguments]
    return Processes(command, dict(os.environ), number, timedelta(seconds=patience))


def _marks(kind: str) -> list[int]:
    return [int(path.name.removeprefix(f"{kind}-")) for path in Path.cwd().glob(f"{kind}-*")]


async def _until_alive(number: int) -> None:
    await asyncio.to_thread(eventually, lambda: len(_marks("alive")) >= number, 30)


def _gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_all_are_started_and_stopped() -> None:
    async def main() -> int:
        processes = _processes(number=3)
        running = asyncio.create_task(processes.run())
        await _until_alive(3)
        processes.stop()
        return await running

    assert asyncio.run(main()) == 0
    assert len(_marks("alive")) == 3
    assert all(map(_gone, _marks("alive")))
    assert _marks("let-go") == []


def test_stopping_now_lets_go_of_them() -> None:
    async def main() -> int:
        processes = _processes("deaf")
        running = asyncio.create_task(processes.run())
        await _until_alive(2)
        processes.stop_now()
        return await running

    assert asyncio.run(main()) == 0
    assert sorted(_marks("let-go")) == sorted(_marks("alive"))


def test_one_that_does_not_stop_in_time_is_let_go() -> None:
    async def main() -> int:
        processes = _processes("deaf", patience=0.1)
        running = asyncio.create_task(processes.run())
        await _until_alive(2)
        processes.stop()
        return await running

    assert asyncio.run(main()) == 0
    assert sorted(_marks("let-go")) == sorted(_marks("alive"))


def test_one_that_does_not_obey_at_all_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentpg.tasks.processes._SECONDS_TO_OBEY", 0.2)

    async def main() -> int:
        processes = _processes("stubborn", patience=0.1)
        running = asyncio.create_task(processes.run())
        await _until_alive(2)
        processes.stop()
        return await running

    assert asyncio.run(main()) == 0
    assert all(map(_gone, _marks("alive")))


def test_one_that_ends_by_itself_is_started_again(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> int:
        processes = _processes("short", "1", number=1)
        running = asyncio.create_task(processes.run())
        await _until_alive(3)
        processes.stop()
        return await running

    assert asyncio.run(main()) == 0
    assert "ended with exit code 1; starting another" in caplog.text


@pytest.mark.parametrize("code", [2, 3, 4])
def test_what_another_start_cannot_mend_ends_them_all(code: int) -> None:
    assert asyncio.run(_processes("short", str(code)).run()) == code
    assert 1 <= len(_marks("alive")) <= 2
