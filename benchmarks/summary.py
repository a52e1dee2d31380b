"""From runs to the figures of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.figures import Ratio, Spread, ratio, spread
from benchmarks.roster import OURS
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
    peers = list(dict.fromkeys(run.peer for run in runs))
    rivals = [peer for peer in peers if peer != OURS]
    spreads = {peer: spread(_values(figure, runs, peer=peer)) for peer in peers}
    ratios = {
        rival: ratio(
            _values(figure, runs, peer=OURS, rival=rival),
            _values(figure, runs, peer=rival, rival=rival),
            figure.better,
        )
        for rival in rivals
        if OURS in peers
    }
    return Row(figure, spreads, ratios)


def _values(
    figure: Figure, runs: Sequence[Measured], *, peer: str, rival: str | None = None
) -> list[float]:
    """A figure's values in the order of the pairs."""
    return [
        run.figures[figure.key]
        for run in sorted(runs, key=lambda run: run.pair)
        if run.peer == peer and rival in (None, run.rival)
    ]
