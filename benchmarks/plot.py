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

_STYLE = """
.ground { fill: #ffffff; }
text { font: 12px system-ui, sans-serif; fill: #1f2933; }
.title { font-size: 13px; font-weight: 600; } .note { fill: #66788a; }
.name, .value { dominant-baseline: central; } .name { text-anchor: end; }
.ours { fill: #2f6f9f; } .peer { fill: #b8c4ce; }
.range { stroke: #1f2933; stroke-width: 1.2; }
.limit { stroke: #c2410c; stroke-width: 1.5; stroke-dasharray: 4 3; }
.limit-note { fill: #c2410c; }
@media (prefers-color-scheme: dark) {
  .ground { fill: #12181f; } text { fill: #e4e9ee; } .note { fill: #9aa9b6; }
  .ours { fill: #5fa8d8; } .peer { fill: #5a6772; } .range { stroke: #e4e9ee; }
  .limit { stroke: #f59e6c; } .limit-note { fill: #f59e6c; }
}
"""


def plot(rows: Sequence[Row], names: Mapping[str, str]) -> str:
    """An SVG of all plotted rows in two columns; each has its own scale, from 0."""
    plotted = [row for row in rows if row.figure.plotted]
    limits = {verdict.limit.figure: verdict for verdict in verdicts(rows)}
    tops = [_MARGIN] * _COLUMNS
    panels = []
    for row in plotted:
        column = tops.index(min(tops))
        left = _MARGIN + column * _COLUMN
        panels.append(_panel(row, names, limits.get(row.figure.key), left, tops[column]))
        tops[column] += _TITLE + len(row.spreads) * (_BAR + _GAP) + _BELOW
    height = max(tops)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img" aria-label="agentpg and its peers">'
        f'<style>{_STYLE}</style>\n<path class="ground" d="M0 0H{_WIDTH}V{height}H0z"/>\n'
        + "\n".join(panels)
        + "\n</svg>\n"
    )


def _panel(
    row: Row, names: Mapping[str, str], verdict: Verdict | None, left: float, top: float
) -> str:
    better = "longer is better" if row.figure.better == "more" else "shorter is better"
    unit = f"{row.figure.unit}, {better}" if row.figure.unit else better
    goal = to_reach(row, verdict) if verdict else None
    longest = max(*(found.most for found in row.spreads.values()), goal or 0.0) or 1.0
    lines = [
        f'<text class="title" x="{left}" y="{top + 14}">{escape(row.figure.title)}</text>',
        f'<text class="note" x="{left}" y="{top + 31}">{escape(unit)}'
        f"{_goal_note(verdict, names) if goal else ''}</text>",
    ]
    for place, (peer, found) in enumerate(row.spreads.items()):
        y = top + _TITLE + place * (_BAR + _GAP)
        lines.append(_bar(peer, names.get(peer, peer), found, longest, left + _NAME, y))
    if goal:
        x = left + _NAME + goal * _LONGEST / longest
        bottom = top + _TITLE + len(row.spreads) * (_BAR + _GAP)
        lines.append(
            f'<line class="limit" x1="{x:.1f}" y1="{top + _TITLE - 4}" x2="{x:.1f}" y2="{bottom}"/>'
        )
    return "\n".join(lines)


def to_reach(row: Row, verdict: Verdict) -> float:
    """The limit on this machine: beside its peer if that was measured, else as it is."""
    peer = row.spreads.get(verdict.limit.peer or "")
    wanted = verdict.wanted_ratio
    if peer is None or wanted is None:
        return verdict.limit.bound
    return peer.median * wanted if verdict.better == "more" else peer.median / wanted


def _goal_note(verdict: Verdict | None, names: Mapping[str, str]) -> str:
    if verdict is None:
        return ""
    note = "to reach"
    if verdict.ratio is not None and verdict.wanted_ratio is not None:
        peer = names.get(verdict.limit.peer or "", "")
        note += f": {verdict.wanted_ratio:.2f} times as good as {peer}"
    return f'<tspan class="limit-note">   ┆ {escape(note)}</tspan>'


def _bar(peer: str, name: str, found: Spread, longest: float, left: float, y: float) -> str:
    middle = y + _BAR / 2
    scale = _LONGEST / longest
    kind = "ours" if peer == OURS else "peer"
    digits = f"{found.median:,.0f}" if found.median >= 100 else f"{found.median:.3g}"
    end = left + found.most * scale
    return (
        f'<text class="name" x="{left - 8}" y="{middle}">{escape(name)}</text>'
        f'<rect class="{kind}" x="{left}" y="{y}" width="{found.median * scale:.1f}" '
        f'height="{_BAR}" rx="2"/>'
        f'<line class="range" x1="{left + found.least * scale:.1f}" y1="{middle}" '
        f'x2="{end:.1f}" y2="{middle}"/>'
        f'<text class="value" x="{max(end, left) + 8:.1f}" y="{middle}">{digits}</text>'
    )
