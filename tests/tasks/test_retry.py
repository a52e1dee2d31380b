"""When a failed attempt is tried again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from agentpg.tasks.retry import Backoff

pytestmark = pytest.mark.without_server


def test_the_default_doubles_from_two_seconds() -> None:
    for errors, wait in ((1, 2), (2, 4), (3, 8), (10, 1024)):
        assert wait * 0.8 <= Backoff().seconds(errors) <= wait * 1.2


def test_a_wait_is_never_longer_than_the_longest() -> None:
    for errors in (12, 60, 100, 10_000):
        assert Backoff().seconds(errors) <= 3600 * 1.2
        assert Backoff(jitter=0).seconds(errors) == 3600


def test_jitter_parts_what_failed_together() -> None:
    waits = {Backoff().seconds(1) for _ in range(100)}
    assert len(waits) > 90
    assert min(waits) < 1.8
    assert max(waits) > 2.2


def test_without_jitter_the_waits_are_exact() -> None:
    exact = Backoff(first=timedelta(seconds=1), factor=3, jitter=0)
    assert [exact.seconds(errors) for errors in (1, 2, 3)] == [1, 3, 9]


@pytest.mark.parametrize(
    "rules",
    [
        {"first": timedelta(seconds=-1)},
        {"longest": timedelta(seconds=-1)},
        {"factor": 0.5},
        {"jitter": 1},
        {"jitter": -0.1},
    ],
)
def test_rules_that_make_no_sense_are_refused(rules: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"negative|at least 1"):
        Backoff(**rules)
