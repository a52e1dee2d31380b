"""Whether a limit is met, by the figure and beside its peer."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import FULL
from benchmarks.figures import ratio, spread
from benchmarks.limits import LIMITS, Limit, Verdict
from benchmarks.roster import ORDER
from benchmarks.work import Better
from benchmarks.works import all_works

pytestmark = pytest.mark.without_server


def _verdict(
    limit: Limit, better: Better, ours: list[float], theirs: list[float] | None = None
) -> Verdict:
    beside = ratio(ours, theirs, better) if theirs else None
    return Verdict(limit, "a title", "", better, spread(ours), beside)


def test_every_limit_is_of_a_figure_and_a_peer_that_are_measured() -> None:
    figures = {figure.key for work in all_works(FULL) for figure in work.figures}
    assert {limit.figure for limit in LIMITS} <= figures
    assert {limit.peer for limit in LIMITS if limit.peer} <= set(ORDER)


@pytest.mark.parametrize(
    ("better", "bound", "peer", "wanted"), [("more", 110, 100, 1.1), ("less", 1.5, 3.0, 2.0)]
)
def test_a_limit_beside_its_peer_is_as_many_times_better(
    better: Better, bound: float, peer: float, wanted: float
) -> None:
    assert Limit("x", bound, "p", peer).ratio(better) == pytest.approx(wanted)
    assert Limit("x", bound).ratio(better) is None


def test_a_limit_is_met_if_the_interval_reaches_it() -> None:
    values = [float(n) for n in range(1, 8)]
    assert _verdict(Limit("x", 7), "more", values).figure_met
    assert not _verdict(Limit("x", 7.1), "more", values).figure_met
    assert _verdict(Limit("x", 1), "less", values).figure_met
    assert not _verdict(Limit("x", 0.9), "less", values).figure_met


def test_beside_the_peer_it_is_the_interval_of_the_ratio() -> None:
    limit = Limit("x", 1_000, "p", 500)
    slow_machine = _verdict(limit, "more", [100.0] * 7, [50.0] * 7)
    assert not slow_machine.figure_met
    assert slow_machine.ratio_met
    assert not _verdict(limit, "more", [99.0] * 7, [50.0] * 7).ratio_met


def test_too_few_pairs_tell_nothing() -> None:
    verdict = _verdict(Limit("x", 5, "p", 5), "more", [1.0, 9.0], [1.0, 1.0])
    assert verdict.figure_met is None
    assert verdict.ratio_met is None
