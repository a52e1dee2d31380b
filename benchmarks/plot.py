"""The figures as a picture: for each a bar per peer, with a line from least to most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from benchmarks.figures import Spread
from benchmarks.roster import OURS
from benchmarks.summary import Row

_WIDTH = 760
_NAME_WIDTH = 130
_VALUE_WIDTH = 110
_BAR_WIDTH = _WIDTH - _NAME_WIDTH - _VALUE_WIDTH - 40
_BAR = 18
_GAP = 6
_TITLE = 30

_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2933; }
.title { font-weight: 600; } .note { fill: #66788a; } .name, .value { dominant-baseline: middle; }
.name { text-anchor: end; } .ours { fill: #2f6f9f; } .peer { fill: #b8c4ce; }
.range { stroke: #1f2933; stroke-width: 1.2; }
@media (prefers-color-scheme: dark) {
  text { fill: #e4e9ee; } .note { fill: #9aa9b6; } .ours { fill: #5fa8d8; }
  .peer { fill: #5a6772; } .range { stroke: #e4e9ee; }
}
"""


def plot(rows: Sequence[Row], names: Mapping[str, str]) -> str:
    """An SVG of all rows, one below the other; each has its own scale, from 0."""
    top, panels = 10, []
    for row in rows:
        panels.append(_panel(row, names, top))
        top += _TITLE + len(row.spreads) * (_BAR + _GAP) + 14
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top}" '
        f'width="{_WIDTH}" height="{top}" role="img" aria-label="agentpg and its peers">'
        f"<style>{_STYLE}</style>\n" + "\n".join(panels) + "\n</svg>\n"
    )


def _panel(row: Row, names: Mapping[str, str], top: float) -> str:
    better = "longer is better" if row.figure.better == "more" else "shorter is better"
    longest = max(found.most for found in row.spreads.values()) or 1.0
    lines = [
        f'<text class="title" x="20" y="{top + 16}">{escape(row.figure.title)}'
        f'<tspan class="note" font-weight="400">  {escape(row.figure.unit)}, {better}</tspan>'
        "</text>"
    ]
    for place, (peer, found) in enumerate(row.spreads.items()):
        y = top + _TITLE + place * (_BAR + _GAP)
        lines.append(_bar(peer, names.get(peer, peer), found, longest, y))
    return "\n".join(lines)


def _bar(peer: str, name: str, found: Spread, longest: float, y: float) -> str:
    left, middle = 20 + _NAME_WIDTH, y + _BAR / 2
    scale = _BAR_WIDTH / longest
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
