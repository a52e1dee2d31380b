"""Percentiles, and how sure a ratio is."""

from __future__ import annotations

import pytest

from benchmarks.figures import percentile, ratio, spread

pytestmark = pytest.mark.without_server


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [percentile(values, p) for p in (50, 95, 99, 100)] == [50, 95, 99, 100]
    assert percentile([7.0], 50) == 7.0


def test_a_spread_has_its_median_and_ends() -> None:
    found = spread([3.0, 1.0, 2.0])
    assert (found.median, found.least, found.most, found.runs) == (2.0, 1.0, 3.0, 3)


@pytest.mark.parametrize(("better", "expected"), [("more", 2.0), ("less", 0.5)])
def test_a_ratio_says_how_many_times_better_ours_is(better: str, expected: float) -> None:
    found = ratio([20.0] * 7, [10.0] * 7, "more" if better == "more" else "less")
    assert found.median == expected


def test_seven_pairs_give_the_whole_range_at_98_percent() -> None:
    found = ratio([1, 2, 3, 4, 5, 6, 7], [1] * 7, "more")
    assert (found.low, found.median, found.high) == (1, 4, 7)
    assert found.coverage == pytest.approx(0.984, abs=0.001)


def test_twelve_pairs_leave_out_two_at_each_end() -> None:
    found = ratio(list(range(1, 13)), [1] * 12, "more")
    assert (found.low, found.high) == (3, 10)
    assert found.coverage >= 0.95


def test_few_pairs_or_an_interval_around_1_decide_nothing() -> None:
    assert not ratio([2.0, 2.1], [1.0, 1.0], "more").sure
    assert not ratio([0.9, 2, 2, 2, 2, 2, 2], [1.0] * 7, "more").sure
    assert ratio([1.1, 2, 2, 2, 2, 2, 2], [1.0] * 7, "more").sure
