"""The figures as a picture: for each a bar per peer, with a line from least to most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from benchmarks.figures import Spread
from benchmarks.limits import Verdict, verdicts
from benchmarks.roster import OURS
from benchmarks.summary import Row

_COLUMNS = 2
_MARGIN = 20
_COLUMN = 560
_WIDTH = _COLUMNS * _COLUMN + _MARGIN
_NAME = 118
_VALUE = 74
_LONGEST = _COLUMN - _MARGIN - _NAME - _VALUE
_BAR = 13
_GAP = 4
_TITLE = 42
_BELOW = 22
_HEAD = 64

_STYLE = """
.ground { fill: #ffffff; }
text { font: 12px system-ui, sans-serif; fill: #1f2933; }
.head { font-size: 17px; font-weight: 600; }
.title { font-size: 13px; font-weight: 600; } .note { fill: #66788a; }
.name, .value { dominant-baseline: central; } .name { text-anchor: end; }
.value { paint-order: stroke; stroke: #ffffff; stroke-width: 4px; stroke-linejoin: round; }
.ours { fill: #2f6f9f; } .peer { fill: #b8c4ce; }
.range { stroke: #1f2933; stroke-width: 1.2; }
.limit { stroke: #c2410c; stroke-width: 1.5; stroke-dasharray: 4 3; }
.limit-note { fill: #c2410c; }
@media (prefers-color-scheme: dark) {
  .ground { fill: #12181f; } text { fill: #e4e9ee; } .note { fill: #9aa9b6; }
  .ours { fill: #5fa8d8; } .peer { fill: #5a6772; } .range { stroke: #e4e9ee; }
  .value { stroke: #12181f; }
  .limit { stroke: #f59e6c; } .limit-note { fill: #f59e6c; }
}
"""


def plot(rows: Sequence[Row], names: Mapping[str, str]) -> str:
    """An SVG of all plotted rows in two columns; each has its own scale, from 0."""
    plotted = [row for row in rows if row.figure.plotted]
    limits = {verdict.limit.figure: verdict for verdict in verdicts(rows)}
    top, panels = _HEAD, [_head()]
    for first in range(0, len(plotted), _COLUMNS):
        beside = plotted[first : first + _COLUMNS]
        for column, row in enumerate(beside):
            left = _MARGIN + column * _COLUMN
            panels.append(_panel(row, names, limits.get(row.figure.key), left, top))
        top += max(_height(row) for row in beside) + _BELOW
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top}" '
        f'width="{_WIDTH}" height="{top}" role="img" aria-label="agentpg and its peers">'
        f'<style>{_STYLE}</style>\n<path class="ground" d="M0 0H{_WIDTH}V{top}H0z"/>\n'
        + "\n".join(panels)
        + "\n</svg>\n"
    )


def _head() -> str:
    return (
        f'<text class="head" x="{_MARGIN}" y="26">agentpg and its peers on one PostgreSQL</text>'
        f'<text class="note" x="{_MARGIN}" y="45">Bars: medians. Lines: from the least to the '
        'most. <tspan class="limit-note">Dashed: what agentpg is to reach.</tspan></text>'
    )


def _height(row: Row) -> int:
    return _TITLE + len(row.spreads) * (_BAR + _GAP)


def _panel(
    row: Row, names: Mapping[str, str], verdict: Verdict | None, left: float, top: float
) -> str:
    better = "longer is better" if row.figure.better == "more" else "shorter is better"
    unit = f"{row.figure.unit}, {better}" if row.figure.unit else better
    goal = to_reach(row, verdict) if verdict else 0.0
    longest = max(goal, *(found.most for found in row.spreads.values())) or 1.0
    lines = [
        f'<text class="title" x="{left}" y="{top + 14}">{escape(row.figure.title)}</text>',
        f'<text class="note" x="{left}" y="{top + 31}">{escape(unit)}'
        f"{_goal_note(verdict, names) if verdict else ''}</text>",
    ]
    bars, values = [], []
    for place, (peer, found) in enumerate(row.spreads.items()):
        y = top + _TITLE + place * (_BAR + _GAP)
        bars.append(_bar(peer, names.get(peer, peer), found, longest, left + _NAME, y))
        values.append(_value(found, longest, left + _NAME, y))
    if verdict:
        x = left + _NAME + goal * _LONGEST / longest
        bars.append(
            f'<line class="limit" x1="{x:.1f}" y1="{top + _TITLE - 4}" '
            f'x2="{x:.1f}" y2="{top + _height(row)}"/>'
        )
    return "\n".join([*lines, *bars, *values])


def to_reach(row: Row, verdict: Verdict) -> float:
    """The limit on this machine: beside its peer if that was measured, else as it is."""
    peer = row.spreads.get(verdict.limit.peer or "")
    wanted = verdict.wanted_ratio
    if peer is None or wanted is None:
        return verdict.limit.bound
    return peer.median * wanted if verdict.better == "more" else peer.median / wanted


def _goal_note(verdict: Verdict, names: Mapping[str, str]) -> str:
    sign = "≥" if verdict.better == "more" else "≤"
    note = f"{sign} {verdict.limit.bound:,g}"
    if verdict.ratio is not None and verdict.wanted_ratio is not None:
        peer = names.get(verdict.limit.peer or "", "")
        note = f"{verdict.wanted_ratio:.2f} times as good as {peer}"
    return f'<tspan class="limit-note" dx="10">to reach: {escape(note)}</tspan>'


def _bar(peer: str, name: str, found: Spread, longest: float, left: float, y: float) -> str:
    middle, scale = y + _BAR / 2, _LONGEST / longest
    kind = "ours" if peer == OURS else "peer"
    return (
        f'<text class="name" x="{left - 8}" y="{middle}">{escape(name)}</text>'
        f'<rect class="{kind}" x="{left}" y="{y}" width="{found.median * scale:.1f}" '
        f'height="{_BAR}" rx="2"/>'
        f'<line class="range" x1="{left + found.least * scale:.1f}" y1="{middle}" '
        f'x2="{left + found.most * scale:.1f}" y2="{middle}"/>'
    )


def _value(found: Spread, longest: float, left: float, y: float) -> str:
    x = left + found.most * _LONGEST / longest + 8
    digits = f"{found.median:,.0f}" if found.median >= 100 else f"{found.median:.3g}"
    return f'<text class="value" x="{x:.1f}" y="{y + _BAR / 2}">{digits}</text>'
