"""What is to be reached, and whether it is.

Every limit is a figure on one machine, where the best peer was measured as well. Machines
differ, so beside the figure itself stands what it means next to that peer: as many times
better as the limit was than the peer's figure there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.figures import Ratio, Spread, sure
from benchmarks.roster import OURS
from benchmarks.summary import Row
from benchmarks.work import Better


@dataclass(frozen=True, slots=True)
class Limit:
    """A figure's limit, and the peer that it was derived from with its figure there."""

    figure: str
    bound: float
    peer: str | None = None
    peer_figure: float | None = None

    def ratio(self, better: Better) -> float | None:
        """How many times better than the peer ours has to be, to be as good as the limit."""
        if self.peer_figure is None:
            return None
        quotient = self.bound / self.peer_figure
        return quotient if better == "more" else 1 / quotient


# The peers' figures: medians of three runs each on a machine of two cores (AMD EPYC), with
# PostgreSQL 15 and full durability, 22 November 2026, at the settings that their files name.
LIMITS = (
    Limit("drain-1", 1.25 * 26_400, "pgqueuer", 26_400),
    Limit("drain-2", 41_200, "pgqueuer", 41_200),
    Limit("drain-1-cpu", 45, "pgqueuer", 29 + 18),
    Limit("history", 0.95),
    Limit("drain-1-commits", 0.01),
    Limit("bulk", 110_000, "graphile", 101_600),
    Limit("single-1", 7_500, "absurd", 7_006),
    Limit("single-20", 10_000, "absurd", 8_622),
    Limit("pickup-p50", 1.5, "pgqueuer", 1.6),
    Limit("pickup-p99", 3.5, "pgqueuer", 3.6),
    Limit("sleepers", 0.95),
    Limit("held", 0.9),
    Limit("held-50", 0.9),
    Limit("late-max", 1_000),
    Limit("late-dead-max", 30_000),  # what tasks/README.md states: 15 µs a dead entry
    Limit("idle-statements", 1),
    Limit("idle-connections", 3),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A limit and what was measured; None is what was not."""

    limit: Limit
    title: str
    unit: str
    better: Better
    ours: Spread
    ratio: Ratio | None

    @property
    def figure_met(self) -> bool | None:
        """Whether the interval of our figure reaches the limit; None if there is no interval."""
        found = self.ours
        if not sure(found.coverage) and found.least != found.most:
            return None
        if self.better == "more":
            return found.high >= self.limit.bound
        return found.low <= self.limit.bound

    @property
    def wanted_ratio(self) -> float | None:
        """How many times better than the peer ours has to be."""
        return self.limit.ratio(self.better)

    @property
    def ratio_met(self) -> bool | None:
        """Whether the interval of the ratio reaches what is wanted; None if it tells nothing."""
        if self.ratio is None or self.wanted_ratio is None or not sure(self.ratio.coverage):
            return None
        return self.ratio.high >= self.wanted_ratio


def verdicts(rows: Sequence[Row]) -> list[Verdict]:
    """A verdict on every limit whose figure was measured, in the order of the limits."""
    by_key = {row.figure.key: row for row in rows if OURS in row.spreads}
    return [_verdict(limit, by_key[limit.figure]) for limit in LIMITS if limit.figure in by_key]


def _verdict(limit: Limit, row: Row) -> Verdict:
    figure = row.figure
    ratio = row.ratios.get(limit.peer) if limit.peer else None
    return Verdict(limit, figure.title, figure.unit, figure.better, row.spreads[OURS], ratio)
