"""Medians, percentiles, and how sure a ratio is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

# What an interval is to cover at least; with fewer than six pairs none does.
_WANTED_COVERAGE = 0.95


@dataclass(frozen=True, slots=True)
class Spread:
    """Some runs of one figure, with the interval of the true median; see Ratio."""

    median: float
    least: float
    most: float
    low: float
    high: float
    coverage: float
    runs: int


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times better ours is, as the median over pairs, and its interval.

    `coverage` is the probability that the interval holds the true median, whatever the
    distribution of the ratios (sign test).
    """

    median: float
    low: float
    high: float
    coverage: float
    pairs: int

    @property
    def sure(self) -> bool:
        """Whether the interval lies wholly on one side of 1."""
        return sure(self.coverage) and not self.low <= 1 <= self.high


def sure(coverage: float) -> bool:
    """Whether an interval of this coverage says anything."""
    return coverage >= _WANTED_COVERAGE


def spread(values: Sequence[float]) -> Spread:
    """Median, least, most and the interval."""
    ordered = sorted(values)
    left_out, coverage = _left_out(len(ordered))
    return Spread(
        median=statistics.median(ordered),
        least=ordered[0],
        most=ordered[-1],
        low=ordered[left_out],
        high=ordered[-1 - left_out],
        coverage=coverage,
        runs=len(ordered),
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` of the values do not exceed.

    >>> percentile([4, 1, 3, 2], 50)
    2
    """
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def ratio(ours: Sequence[float], theirs: Sequence[float], better: Literal["more", "less"]) -> Ratio:
    """How many times better ours is than theirs, pair by pair."""
    pairs = zip(ours, theirs, strict=True)
    values = sorted(o / t if better == "more" else t / o for o, t in pairs)
    left_out, coverage = _left_out(len(values))
    return Ratio(
        median=statistics.median(values),
        low=values[left_out],
        high=values[-1 - left_out],
        coverage=coverage,
        pairs=len(values),
    )


def _left_out(pairs: int) -> tuple[int, float]:
    """How many of the outermost ratios an interval may leave out at each end, and its coverage.

    >>> _left_out(7)
    (0, 0.984375)
    """
    left_out = 0
    while left_out + 1 < pairs / 2 and _coverage(pairs, left_out + 1) >= _WANTED_COVERAGE:
        left_out += 1
    return left_out, _coverage(pairs, left_out)


def _coverage(pairs: int, left_out: int) -> float:
    outside = sum(math.comb(pairs, n) for n in range(left_out + 1))
    return max(0.0, 1 - 2 * outside / float(2**pairs))
