"""Charts fit their values, whatever these are."""

from __future__ import annotations

import pytest

from agentpg.desk.charts import Series, Span, bars, ranges, stacked_bars

pytestmark = pytest.mark.without_server


@pytest.mark.parametrize(
    ("highest", "labels"),
    [
        (0, ["0", "1"]),
        (0.03, ["0", "0.01", "0.02", "0.03"]),
        (4, ["0", "1", "2", "3", "4"]),
        (266, ["0", "100", "200", "300"]),
        (1_500_000, ["0", "500000", "1e+06", "1.5e+06"]),
    ],
)
def test_the_scale_is_round_and_reaches_the_highest(highest: float, labels: list[str]) -> None:
    chart = stacked_bars(
        "k", "t", "d", places=["a"], series=[Series("one", "c1", [highest])],
        show=lambda n: f"{n:g}",
    )  # fmt: skip
    assert [line.label for line in chart.rows] == labels


def test_segments_stand_on_each_other_within_the_plot() -> None:
    chart = stacked_bars(
        "k", "t", "d",
        places=["a", "b"],
        series=[Series("one", "c1", [3, 0]), Series("two", "c2", [5, 2])],
        show=str,
    )  # fmt: skip
    low, high, alone = chart.marks
    assert high.y + high.height <= low.y
    assert low.x + low.width < alone.x
    assert alone.x + alone.width <= 100
    assert all(m.y >= 0 and m.y + m.height <= chart.height for m in chart.marks)
    assert low.words == "a, one: 3"


def test_a_series_of_nothing_is_not_in_the_legend() -> None:
    chart = stacked_bars(
        "k", "t", "d", places=["a"],
        series=[Series("one", "c1", [1]), Series("none", "c2", [0])], show=str,
    )  # fmt: skip
    assert [s.name for s in chart.legend] == ["one"]


def test_many_places_share_few_labels_and_the_last_keeps_its_own() -> None:
    places = [str(n) for n in range(367)]
    chart = stacked_bars(
        "k", "t", "d", places=places, series=[Series("one", "c1", [1] * 367)], show=str
    )
    assert len(chart.labels) <= 10
    assert chart.labels[-1].text == "366"
    assert chart.labels[-1].kind == ""


def test_ranges_lie_between_their_ticks() -> None:
    spans = [Span("slow", 200, 500, "w"), Span("fast", 0.0, 0.2, "w")]
    chart = ranges("k", "t", "d", spans=spans, show=lambda s: f"{s:g}")
    assert all(m.x >= 0 and m.x + m.width <= 100 for m in chart.marks)
    assert [label.text for label in chart.labels if label.y > 104] == [
        "0.001", "0.01", "0.1", "1", "10", "60", "600"
    ]  # fmt: skip


def test_one_range_of_no_length_can_be_drawn() -> None:
    chart = ranges("k", "t", "d", spans=[Span("one", 1e7, 1e7, "w")], show=str)
    assert chart.marks[0].width > 0


def test_bars_are_as_long_as_their_share_of_the_longest() -> None:
    chart = bars("k", "t", "d", spans=[Span("a", 0, 8, ""), Span("b", 0, 2, "")])
    assert [m.width for m in chart.marks] == [100, 25]
