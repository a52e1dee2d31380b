"""How fast a worker gets on, and how it waits."""

from __future__ import annotations

import asyncio
import time

import pytest

from agentpg.tasks.pace import Rate, spread, until

pytestmark = pytest.mark.without_server


class Clock:
    """A clock that goes only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_rate_follows_what_was_counted() -> None:
    clock = Clock()
    rate = Rate(clock)

    def expected_after(ended: int, seconds: float = 0.125) -> int:
        for _ in range(ended):
            rate.count()
        clock.now += seconds
        return rate.expected(1.0)

    assert rate.expected(1.0) == 0
    assert [expected_after(200) for _ in range(4)] == [800, 1200, 1400, 1500]
    assert rate.expected(0.5) == 750
    assert [expected_after(0) for _ in range(4)] == [750, 375, 187, 93]


def test_a_rate_is_looked_at_in_windows() -> None:
    clock = Clock()
    rate = Rate(clock)
    rate.expected(1.0)
    for _ in range(100):
        rate.count()
    clock.now += 0.0625
    assert rate.expected(1.0) == 0
    clock.now += 0.0625
    assert rate.expected(1.0) == 400
    rate.forget()
    assert rate.expected(1.0) == 0


def test_waits_are_spread() -> None:
    waits = [spread(10, 0.1) for _ in range(200)]
    assert 9 <= min(waits) < 9.5 < 10.5 < max(waits) <= 11


def test_a_wait_ends_with_the_first_sign() -> None:
    async def waiting() -> list[float]:
        took = []
        event, other = asyncio.Event(), asyncio.Event()
        for ready, tasks, seconds in (
            (False, [], 0.05),
            (True, [], 60),
            (False, [asyncio.create_task(asyncio.sleep(0.01))], 60),
        ):
            if ready:
                event.set()
            started = time.monotonic()
            await until(event, other, tasks=tasks, seconds=seconds)
            took.append(time.monotonic() - started)
            event.clear()
        return took

    assert all(seconds < 30 for seconds in asyncio.run(waiting()))


@pytest.mark.parametrize("number", [0, 3])
def test_nothing_is_left_waiting(number: int) -> None:
    async def waiting() -> set[str]:
        sleeping = [asyncio.create_task(asyncio.sleep(60)) for _ in range(number)]
        await until(asyncio.Event(), tasks=sleeping, seconds=0.01)
        await asyncio.sleep(0)
        left = asyncio.all_tasks() - set(sleeping) - {asyncio.current_task()}
        for task in sleeping:
            assert not task.done(), "what was waited for goes on"
            task.cancel()
        return {str(task) for task in left if not task.done()}

    assert asyncio.run(waiting()) == set()
