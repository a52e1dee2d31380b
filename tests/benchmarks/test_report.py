"""The table and the picture, for figures that are made up."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from benchmarks.plot import plot
from benchmarks.report import number
from benchmarks.runs import Measured
from benchmarks.summary import summarize
from benchmarks.works.bulk import Bulk


def _run(pair: int, peer: str, value: float) -> Measured:
    return Measured(
        work="bulk", pair=pair, rival="rival", peer=peer, load=0.0, figures={"bulk": value}
    )


def test_ratios_are_taken_within_pairs() -> None:
    fast_and_slow_hours = [(10.0, 5.0), (100.0, 50.0), (1.0, 0.5)]
    runs = [
        _run(pair, peer, value)
        for pair, values in enumerate(fast_and_slow_hours)
        for peer, value in zip(("agentpg", "rival"), values, strict=True)
    ]
    (row,) = summarize([Bulk(1)], runs)
    found = row.ratios["rival"]
    assert (found.low, found.median, found.high) == (2.0, 2.0, 2.0)
    assert row.spreads["agentpg"].median == 10.0


def test_what_was_not_measured_has_no_row() -> None:
    assert summarize([Bulk(1)], []) == []


def test_the_picture_has_a_bar_for_each_peer() -> None:
    rows = summarize([Bulk(1)], [_run(0, "agentpg", 2.0), _run(0, "rival", 1.0)])
    root = ET.fromstring(plot(rows, {"rival": "R & D"}))  # noqa: S314 - our own text
    bars = root.findall("{http://www.w3.org/2000/svg}rect")
    assert float(bars[0].attrib["width"]) == 2 * float(bars[1].attrib["width"])


@pytest.mark.parametrize(
    ("value", "text"), [(25948.3, "25,948"), (12.34, "12.3"), (0.00412, "0.00412"), (2.0, "2")]
)
def test_numbers_have_the_digits_that_mean_something(value: float, text: str) -> None:
    assert number(value) == text
