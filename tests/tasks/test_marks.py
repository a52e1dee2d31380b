"""Where claims begin, and when a look from the head is due."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from agentpg.tasks.marks import Marks

pytestmark = pytest.mark.without_server

FIRST, SECOND, THIRD = (UUID(int=n) for n in (1, 2, 3))
NONE = UUID(int=0)
POLL = timedelta(seconds=1)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def marks_of(marks: Marks) -> list[tuple[int, str, UUID]]:
    parameters = marks.parameters()
    priorities, run_ats, ids = (
        parameters[name].strip("{}").split(",") for name in ("priorities", "run_ats", "ids")
    )
    return [
        (int(priority), run_at.strip('"'), UUID(task_id))
        for priority, run_at, task_id in zip(priorities, run_ats, ids, strict=True)
    ]


def test_a_look_is_due_before_the_first_claim() -> None:
    marks = Marks(POLL)
    assert marks.look_is_due
    assert marks.look_is_allowed
    assert marks_of(marks) == [(100, "-infinity", NONE)]


def test_a_look_sets_the_marks_on_the_first_due_tasks() -> None:
    marks = Marks(POLL)
    assert marks.looked(0.001, "noon", [(100, "ten", FIRST), (5, "nine", SECOND)])
    assert marks_of(marks) == [(5, "nine", SECOND), (100, "ten", FIRST)]


def test_where_nothing_is_due_the_mark_stays_behind_the_time() -> None:
    marks = Marks(POLL)
    assert not marks.looked(0.001, "noon", [(100, None, None)])
    assert marks_of(marks) == [(100, "noon", NONE)]


def test_a_priority_stays_known_when_it_has_no_pending_task_left() -> None:
    marks = Marks(POLL)
    marks.looked(0.001, "noon", [(5, "nine", FIRST)])
    assert not marks.looked(0.001, "one", [])
    assert marks_of(marks) == [(5, "one", NONE), (100, "one", NONE)]


def test_the_marks_follow_what_was_claimed() -> None:
    marks = Marks(POLL)
    marks.looked(0.001, "noon", [(5, "nine", FIRST), (100, "ten", FIRST)])
    marks.claimed([(5, "nine", FIRST), (5, "nine", SECOND), (100, "ten", FIRST)])
    assert marks_of(marks) == [(5, "nine", SECOND), (100, "ten", FIRST)]
    marks.claimed([(100, "ten", SECOND), (100, "ten", THIRD)])
    assert marks_of(marks) == [(5, "nine", SECOND), (100, "ten", THIRD)]
    marks.claimed([])
    assert marks_of(marks) == [(5, "nine", SECOND), (100, "ten", THIRD)]


def test_a_quick_look_is_due_every_interval_and_allowed_sooner() -> None:
    clock = Clock()
    marks = Marks(POLL, clock)
    marks.looked(0.001, "noon", [])
    assert not marks.look_is_allowed
    clock.now += 0.06
    assert marks.look_is_allowed
    assert not marks.look_is_due
    clock.now += 1.0
    assert marks.look_is_due


def test_one_slow_look_among_quick_ones_makes_no_look_dear() -> None:
    clock = Clock()
    marks = Marks(POLL, clock)
    marks.looked(0.001, "noon", [])
    marks.looked(0.3, "noon", [])
    clock.now += 0.06
    assert marks.look_is_allowed


def test_a_seldom_poll_does_not_make_looks_seldom() -> None:
    clock = Clock()
    marks = Marks(timedelta(seconds=30), clock)
    marks.looked(0.001, "noon", [])
    clock.now += 1.0
    assert marks.look_is_due


def test_looks_take_at_most_two_hundredths_of_the_time() -> None:
    clock = Clock()
    marks = Marks(POLL, clock)
    spent = 0.0
    began = clock.now
    while clock.now < began + 1000:
        if marks.look_is_due or marks.look_is_allowed:
            clock.now += 0.5
            spent += 0.5
            marks.looked(0.5, "noon", [])
        clock.now += 0.01
    assert spent / (clock.now - began) <= 0.021
