"""The geometry of a report's charts: where bars, lines and labels are.

Widths and horizontal places are percentages, heights are pixels, so that a chart fits any
width while its letters keep their size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

_PLOT = 170
_TOP = 22
_LABELS = 24
_ROW = 52

# A longer name is cut; pointing at its bar shows the whole.
_LONGEST_NAME = 44

# Segments of one bar stand apart by so many pixels.
_GAP = 1.5

_TICKS = (0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 36000.0, 360000.0)


@dataclass(frozen=True, slots=True)
class Series:
    """One kind of value: its name, its colour's class, and a value for each place."""

    name: str
    colour: str
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Mark:
    """A rectangle; `words` is what it says when pointed at."""

    x: float
    y: float
    width: float
    height: float
    colour: str
    words: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the grid with its label: at the height `at`, or at the share `at`."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Label:
    """A text; `anchor` is start, middle or end.

    `kind` says how it is set: "strong"; "aside", which goes below where it is narrow; or
    "spare", which is left out there.
    """

    x: float
    y: float
    text: str
    anchor: str = "start"
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A drawn chart. `rows` and `columns` are the lines of its grid."""

    key: str
    title: str
    description: str
    height: float
    marks: list[Mark]
    labels: list[Label]
    rows: list[Line] = field(default_factory=list)
    columns: list[Line] = field(default_factory=list)
    legend: list[Series] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Span:
    """A row of a chart of ranges: its name, where it begins and ends, and its words."""

    name: str
    low: float
    high: float
    words: str


def stacked_bars(
    key: str,
    title: str,
    description: str,
    *,
    places: Sequence[str],
    series: Sequence[Series],
    show: Callable[[float], str],
) -> Chart:
    """Bars of stacked segments, one bar for each of `places`."""
    sums = [sum(values) for values in zip(*(s.values for s in series), strict=True)]
    step, top = _scale(max(sums, default=0))
    lines = [
        Line(_TOP + _PLOT * (1 - n * step / top), show(n * step))
        for n in range(round(top / step) + 1)
    ]
    marks = [
        mark
        for number, place in enumerate(places)
        for mark in _bar(number, len(places), place, series, top, show)
    ]
    return Chart(
        key=key,
        title=title,
        description=description,
        height=_TOP + _PLOT + _LABELS,
        marks=marks,
        labels=_place_labels(places),
        rows=lines,
        legend=[s for s in series if any(s.values)],
    )


def bars(
    key: str, title: str, description: str, *, spans: Sequence[Span], colour: str = "c1"
) -> Chart:
    """Horizontal bars from nothing to `high`, with name and words above each."""
    longest = max((span.high for span in spans), default=0) or 1
    marks, labels = [], []
    for number, span in enumerate(spans):
        y = number * _ROW
        labels += _row_labels(span, y)
        width = max(100 * span.high / longest, 0.4 if span.high else 0)
        marks.append(Mark(0, y + 20, width, 12, colour, f"{span.name}: {span.words}"))
    return Chart(
        key=key,
        title=title,
        description=description,
        height=len(spans) * _ROW,
        marks=marks,
        labels=labels,
    )


def ranges(
    key: str,
    title: str,
    description: str,
    *,
    spans: Sequence[Span],
    show: Callable[[float], str],
) -> Chart:
    """Horizontal bars from `low` to `high` on a logarithmic scale of seconds."""
    ticks = _ticks(min(s.low for s in spans), max(s.high for s in spans))
    first, last = math.log(ticks[0]), math.log(ticks[-1])

    def place(seconds: float) -> float:
        return 100 * (math.log(max(seconds, ticks[0])) - first) / (last - first)

    height = len(spans) * _ROW
    marks, labels = [], []
    for number, span in enumerate(spans):
        y, x = number * _ROW, place(span.low)
        labels += _row_labels(span, y)
        width = max(place(span.high) - x, 0.8)
        marks.append(Mark(x, y + 20, width, 12, "c1", f"{span.name}: {span.words}"))
    labels += _tick_labels([place(tick) for tick in ticks], [*map(show, ticks)], height + 16)
    return Chart(
        key=key,
        title=title,
        description=description,
        height=height + _LABELS,
        marks=marks,
        labels=labels,
        columns=[Line(place(tick), "") for tick in ticks],
    )


def _bar(
    number: int,
    count: int,
    place: str,
    series: Sequence[Series],
    top: float,
    show: Callable[[float], str],
) -> list[Mark]:
    slot = 100 / count
    marks, y = [], float(_TOP + _PLOT)
    for one in series:
        value = one.values[number]
        if value:
            height = max(_PLOT * value / top, 1.0)
            y -= height
            marks.append(
                Mark(
                    round(slot * (number + 0.14), 3),
                    round(y, 2),
                    round(slot * 0.72, 3),
                    round(max(height - _GAP, 1.0), 2),
                    one.colour,
                    f"{place}, {one.name}: {show(value)}",
                )
            )
    return marks


def _place_labels(places: Sequence[str]) -> list[Label]:
    """A label under each bar, or under some where they are many; always under the last."""
    count = len(places)
    every = math.ceil(count / 8)
    y = _TOP + _PLOT + 17
    labels = [
        Label(
            round(100 * (number + 0.5) / count, 3),
            y,
            place,
            "middle",
            kind="spare" if (count - 1 - number) // every % 2 else "",
        )
        for number, place in enumerate(places)
        if (count - 1 - number) % every == 0
    ]
    # Under a thin bar, a label in the middle would reach beyond the edge.
    return [*labels[:-1], Label(100, y, places[-1], "end")] if every > 1 else labels


def _tick_labels(places: Sequence[float], texts: Sequence[str], y: float) -> list[Label]:
    last = len(places) - 1
    anchors = {0: "start", last: "end"}
    return [
        Label(x, y, text, anchors.get(n, "middle"), kind="spare" if n % 2 and n < last else "")
        for n, (x, text) in enumerate(zip(places, texts, strict=True))
    ]


def _row_labels(span: Span, y: float) -> list[Label]:
    cut = span.name[: _LONGEST_NAME - 1] + "…" if len(span.name) > _LONGEST_NAME else span.name
    return [
        Label(0, y + 14, cut, kind="strong"),
        Label(100, y + 14, span.words, "end", kind="aside"),
    ]


def _scale(highest: float) -> tuple[float, float]:
    """A round step and a multiple of it at or above the highest value."""
    if highest <= 0:
        return 1.0, 1.0
    power = 10.0 ** math.floor(math.log10(highest / 4))
    step = next(power * n for n in (1, 2, 2.5, 5, 10) if power * n * 4 >= highest)
    return step, step * math.ceil(round(highest / step, 9))


def _ticks(low: float, high: float) -> list[float]:
    """The round durations around a range, at least two."""
    first = max((t for t in _TICKS if t <= low), default=_TICKS[0])
    last = min((t for t in _TICKS if t > max(high, first)), default=high * 2)
    return [*(t for t in _TICKS if first <= t < last), last]
