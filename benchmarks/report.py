"""The report: a table for the terminal, one in Markdown, and all raw figures as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.facts import Facts
from benchmarks.figures import Ratio, Spread
from benchmarks.plot import plot
from benchmarks.roster import OURS, Competitor
from benchmarks.runs import Measured
from benchmarks.summary import Row

OUT = Path(__file__).parent / "out"


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a run has found out."""

    facts: Facts
    peers: list[Competitor]
    rows: list[Row]
    runs: list[Measured]
    sizes: dict[str, int]


def write(report: Report, folder: Path = OUT) -> list[Path]:
    """Write Markdown, JSON and the plot; the files."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {peer.key: peer.name for peer in report.peers}
    texts = {
        "results.md": markdown(report),
        "results.json": json.dumps(asdict(report), indent=1, ensure_ascii=False) + "\n",
        "results.svg": plot(report.rows, names),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def show(report: Report, console: Console) -> None:
    """Print the table."""
    title = "Medians, and how many times better agentpg is"
    table = Table(box=SIMPLE_HEAD, title=title, title_style="", title_justify="left")
    table.add_column("")
    for peer in report.peers:
        table.add_column(peer.name, justify="right")
        if peer.key != OURS:
            table.add_column("×", justify="right")
    for row in report.rows:
        table.add_row(f"{row.figure.title}, {row.figure.unit}", *_short_cells(row, report.peers))
    console.print(table)
    for line in _circumstances(report):
        console.print(line, highlight=False)


def markdown(report: Report) -> str:
    """The report as a page."""
    headings = _headings(report)
    lines = [
        "# agentpg and its peers, side by side",
        "",
        "Medians. In brackets how many times better agentpg is, as the median of the ratios of",
        "interleaved pairs, and the interval that holds the true median with the probability",
        f"{_coverage(report)} or more. ? marks ratios that do not tell who is better.",
        "",
        "| " + " | ".join(headings) + " |",
        "|" + " --- |" + " ---: |" * (len(headings) - 1),
        *("| " + " | ".join(cells) + " |" for cells in _cells(report)),
        "",
        "![plot](results.svg)",
        "",
        *(f"- {line}" for line in _circumstances(report)),
        "",
        "| peer | version | runs on | settings |",
        "| --- | --- | --- | --- |",
        *(f"| {p.name} | {p.version} | {p.language} | {p.settings} |" for p in report.peers),
    ]
    return "\n".join(lines) + "\n"


def _headings(report: Report) -> list[str]:
    return ["", *(peer.name for peer in report.peers)]


def _cells(report: Report) -> list[list[str]]:
    return [
        [
            f"{row.figure.title}, {row.figure.unit}",
            *(_cell(row.spreads.get(p.key), row.ratios.get(p.key)) for p in report.peers),
        ]
        for row in report.rows
    ]


def _short_cells(row: Row, peers: list[Competitor]) -> Iterator[str]:
    for peer in peers:
        found, ratio = row.spreads.get(peer.key), row.ratios.get(peer.key)
        yield number(found.median) if found else "-"
        if peer.key != OURS:
            yield f"{ratio.median:.2f}{'' if ratio.sure else '?'}" if ratio else "-"


def _cell(found: Spread | None, ratio: Ratio | None) -> str:
    if found is None:
        return "-"
    if ratio is None:
        return number(found.median)
    doubt = "" if ratio.sure else "?"
    interval = f"{ratio.low:.2f} to {ratio.high:.2f}"
    return f"{number(found.median)} ({ratio.median:.2f}: {interval}{doubt})"


def number(value: float) -> str:
    """A figure with as many digits as mean something.

    >>> number(25948.3), number(12.34), number(0.0041)
    ('25,948', '12.3', '0.0041')
    """
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 10 else f"{value:.1f}"


def _coverage(report: Report) -> str:
    found = [ratio.coverage for row in report.rows for ratio in row.ratios.values()]
    return f"{min(found):.0%}" if found else "-"


def _circumstances(report: Report) -> list[str]:
    facts = report.facts
    disk = "not measured" if facts.fdatasync_us is None else f"{facts.fdatasync_us:.0f} µs"
    sizes = ", ".join(f"{name} {count:,}" for name, count in report.sizes.items())
    busiest = max((run.load for run in report.runs if run.peer == OURS), default=facts.load)
    return [
        f"{facts.at}; {facts.cores} cores ({facts.processor}), {facts.memory_gib} GiB, "
        f"{facts.system}",
        f"{facts.server}; " + ", ".join(f"{k} = {v}" for k, v in facts.settings.items()),
        f"fdatasync of one page: {disk}",
        f"load before the run {facts.load}, at most {busiest} before a run of ours",
        f"sizes: {sizes}",
    ]
