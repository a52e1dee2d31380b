"""The table, the limits and the picture, for figures that are made up."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.facts import Facts
from benchmarks.plot import plot
from benchmarks.report import Report, earlier, markdown, number, write
from benchmarks.roster import Competitor
from benchmarks.runs import Measured
from benchmarks.summary import Row, summarize
from benchmarks.works.bulk import Bulk

pytestmark = pytest.mark.without_server

_BULK = Bulk(2, 1)
_SVG = "{http://www.w3.org/2000/svg}"


def _run(
    pair: int,
    peer: str,
    value: float,
    *,
    rival: str | None = "rival",
    full_size: bool = True,
    failed: str | None = None,
) -> Measured:
    return Measured(
        work="bulk",
        pair=pair,
        rival=rival,
        peer=peer,
        full_size=full_size,
        load=0.0,
        figures={} if failed else {"bulk": value},
        failed=failed,
    )


def _pairs(ours: list[float], theirs: list[float], rival: str = "rival") -> list[Measured]:
    return [
        _run(pair, peer, value, rival=rival)
        for pair, values in enumerate(zip(ours, theirs, strict=True))
        for peer, value in zip(("agentpg", rival), values, strict=True)
    ]


def _row(runs: list[Measured]) -> Row:
    (row,) = summarize([_BULK], runs)
    return row


def test_ratios_are_taken_within_pairs() -> None:
    row = _row(_pairs([10.0, 100.0, 1.0], [5.0, 50.0, 0.5]))
    found = row.ratios["rival"]
    assert (found.low, found.median, found.high) == (2.0, 2.0, 2.0)
    assert row.spreads["agentpg"].median == 10.0


def test_rounds_of_all_are_pairs_with_each() -> None:
    runs = [_run(pair, peer, value, rival=None) for pair in range(2) for peer, value in _ROUND]
    row = _row(runs)
    assert row.ratios["rival"].median == 2.0
    assert row.ratios["other"].median == 4.0


_ROUND = (("agentpg", 4.0), ("rival", 2.0), ("other", 1.0))


def test_a_pair_of_which_one_failed_is_no_pair() -> None:
    runs = [
        *_pairs([10.0, 10.0], [5.0, 5.0]),
        _run(2, "agentpg", 90.0),
        _run(2, "rival", 0, failed="x"),
    ]
    assert _row(runs).ratios["rival"].pairs == 2


def test_what_ours_did_of_the_smaller_size_counts_in_its_pairs_only() -> None:
    small = [
        _run(0, "agentpg", 2.0, rival="slow", full_size=False),
        _run(0, "slow", 1.0, rival="slow", full_size=False),
    ]
    row = _row([*_pairs([10.0], [5.0]), *small])
    assert row.spreads["agentpg"].runs == 1
    assert row.spreads["agentpg"].median == 10.0
    assert row.ratios["slow"].median == 2.0
    assert _row(small).spreads["agentpg"].median == 2.0


def test_what_was_not_measured_has_no_row() -> None:
    assert summarize([_BULK], []) == []


def test_the_picture_has_a_bar_for_each_peer_and_a_line_to_reach() -> None:
    runs = [_run(0, "agentpg", 2.0), _run(0, "rival", 1.0)]
    root = ET.fromstring(plot(summarize([_BULK], runs), {"rival": "R & D"}))  # noqa: S314
    ours, theirs = root.findall(f"{_SVG}rect")
    assert float(ours.attrib["width"]) == pytest.approx(2 * float(theirs.attrib["width"]), abs=0.2)
    (limit,) = [line for line in root.findall(f"{_SVG}line") if line.attrib["class"] == "limit"]
    assert float(limit.attrib["x1"]) > float(ours.attrib["x"])


def test_the_page_tells_limits_and_failures() -> None:
    runs = [
        *_pairs([120_000.0] * 7, [100_000.0] * 7, "graphile"),
        _run(7, "graphile", 0, rival="graphile", failed="it ended:\nA trace\nTypeError: 1"),
    ]
    page = markdown(_report(runs))
    limit = next(line for line in page.splitlines() if "≥ 110,000" in line)
    assert limit.count("| met ") == 2
    assert "Graphile | 1.20 | 1.20 to 1.20 | ≥ 1.08" in limit
    assert "120,000" in page
    assert "100,000<br>1.20 (1.20 to 1.20)" in page
    assert "- failed: Graphile at bulk, pair 8: it ended: TypeError: 1" in page


def test_a_later_run_keeps_the_other_works(tmp_path: Path) -> None:
    report = _report(_pairs([2.0], [1.0], "graphile"))
    write(report, tmp_path)
    assert earlier(tmp_path, set()) == (report.peers, report.runs)
    assert earlier(tmp_path, {"bulk"}) == ([], [])
    assert earlier(tmp_path / "none", set()) == ([], [])
    page = markdown(replace(report, kept=["bulk"]))
    assert "- measured in an earlier run: bulk" in page


def _report(runs: list[Measured]) -> Report:
    found = Facts("now", 2, "fast", 4.0, "a system", "PostgreSQL", {}, None, 0.0)
    peers = [
        Competitor(key, name, "1", "Python", "best", "", "", None)
        for key, name in (("agentpg", "agentpg"), ("graphile", "Graphile"))
    ]
    return Report(found, peers, summarize([_BULK], runs), runs, {"pairs": 7})


@pytest.mark.parametrize(
    ("value", "text"), [(25948.3, "25,948"), (12.34, "12.3"), (0.00412, "0.00412"), (2.0, "2")]
)
def test_numbers_have_the_digits_that_mean_something(value: float, text: str) -> None:
    assert number(value) == text
