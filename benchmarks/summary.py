"""From runs to the figures of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.figures import Ratio, Spread, ratio, spread
from benchmarks.roster import ORDER, OURS
from benchmarks.runs import Measured
from benchmarks.work import Figure, Work


@dataclass(frozen=True, slots=True)
class Row:
    """One figure for every peer that has it; ratios are of ours to each rival."""

    figure: Figure
    spreads: dict[str, Spread]
    ratios: dict[str, Ratio]


def summarize(works: Sequence[Work], runs: Sequence[Measured]) -> list[Row]:
    """A row for every figure that was measured."""
    rows = [
        _row(figure, [run for run in runs if figure.key in run.figures])
        for work in works
        for figure in work.figures
    ]
    return [row for row in rows if row.spreads]


def _row(figure: Figure, runs: Sequence[Measured]) -> Row:
    peers = sorted({run.peer for run in runs}, key=_place)
    pairs = {peer: _pairs(figure, runs, peer) for peer in peers if peer != OURS}
    return Row(
        figure,
        {peer: spread(_values(figure, runs, peer)) for peer in peers},
        {
            rival: ratio([own for own, _ in found], [theirs for _, theirs in found], figure.better)
            for rival, found in pairs.items()
            if found
        },
    )


def _place(peer: str) -> tuple[int, str]:
    return (ORDER.index(peer) if peer in ORDER else len(ORDER), peer)


def _values(figure: Figure, runs: Sequence[Measured], peer: str) -> list[float]:
    """A peer's values; beside slow rivals ours does less, and that does not count if it did all."""
    own = [run for run in runs if run.peer == peer]
    whole = [run for run in own if run.full_size]
    return [run.figures[figure.key] for run in whole or own]


def _pairs(figure: Figure, runs: Sequence[Measured], rival: str) -> list[tuple[float, float]]:
    """Ours and the rival's values of each pair in which both were measured."""
    ours, theirs = (
        {
            run.pair: run.figures[figure.key]
            for run in runs
            if run.peer == peer and run.rival in (None, rival)
        }
        for peer in (OURS, rival)
    )
    # Nothing can be twice as good as none at all.
    return [(own, theirs[pair]) for pair, own in sorted(ours.items()) if theirs.get(pair) and own]
