"""The report: what is printed, a page in Markdown, a plot, and all raw figures as JSON."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.facts import Facts
from benchmarks.figures import Ratio, Spread, sure
from benchmarks.limits import Verdict, verdicts
from benchmarks.plot import plot
from benchmarks.roster import OURS, Competitor
from benchmarks.runs import Measured
from benchmarks.summary import Row

OUT = Path(__file__).parent / "out"

_MET = {True: "met", False: "not met", None: "?"}


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a run has found out; `kept` are works that an earlier one measured."""

    facts: Facts
    peers: list[Competitor]
    rows: list[Row]
    runs: list[Measured]
    sizes: dict[str, float]
    kept: list[str] = field(default_factory=list)

    @property
    def failures(self) -> list[Measured]:
        """Measurements that came to nothing."""
        return [run for run in self.runs if run.failed is not None]

    @property
    def names(self) -> dict[str, str]:
        """The peers' names by their keys."""
        return {peer.key: peer.name for peer in self.peers}


def write(report: Report, folder: Path = OUT) -> list[Path]:
    """Write Markdown, JSON and the plot; the files."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "results.md": markdown(report),
        "results.json": json.dumps(asdict(report), indent=1, ensure_ascii=False) + "\n",
        "results.svg": plot(report.rows, report.names),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def earlier(folder: Path, but: Collection[str]) -> tuple[list[Competitor], list[Measured]]:
    """What an earlier run left there, but for the works that are measured anew."""
    file = folder / "results.json"
    if not file.exists():
        return [], []
    found = json.loads(file.read_text(encoding="utf-8"))
    runs = [Measured(**run) for run in found["runs"] if run["work"] not in but]
    measured = {run.peer for run in runs}
    return [Competitor(**p) for p in found["peers"] if p["key"] in measured], runs


def show(report: Report, console: Console) -> None:
    """Print the figures, the limits, and what is to be known of them."""
    console.print(_figures_table(report))
    console.print(_limits_table(report))
    for line in (*_failures(report), *_circumstances(report)):
        console.print(line, highlight=False, markup=False)


def _figures_table(report: Report) -> Table:
    table = _table("Medians, and how many times better agentpg is, with the interval")
    table.add_column("")
    for heading in ("median", "×", "from", "to"):
        table.add_column(heading, justify="right")
    for row in report.rows:
        table.add_row(row.figure.full_title)
        for peer, found in row.spreads.items():
            ratio = row.ratios.get(peer)
            cells = (f"{ratio.median:.2f}", f"{ratio.low:.2f}", _high(ratio)) if ratio else ()
            table.add_row(f"  {report.names.get(peer, peer)}", number(found.median), *cells)
    return table


def _high(ratio: Ratio) -> str:
    return f"{ratio.high:.2f}{' ' if ratio.sure else '?'}"


def _limits_table(report: Report) -> Table:
    table = _table("What is to be reached, by itself and beside the peer it was taken from")
    table.add_column("")
    for heading in ("agentpg", "limit", "", "×", "limit", ""):
        table.add_column(heading, justify="right")
    for verdict in verdicts(report.rows):
        table.add_row(verdict.title, *_limit_cells(verdict))
    return table


def _table(title: str) -> Table:
    return Table(box=SIMPLE_HEAD, title=title, title_style="", title_justify="left")


def _limit_cells(verdict: Verdict) -> list[str]:
    sign = "≥" if verdict.better == "more" else "≤"
    cells = [
        number(verdict.ours.median),
        f"{sign} {number(verdict.limit.bound)}",
        _MET[verdict.figure_met],
    ]
    if verdict.ratio is None or verdict.wanted_ratio is None:
        return cells
    wanted = f"≥ {verdict.wanted_ratio:.2f}"
    return [*cells, f"{verdict.ratio.median:.2f}", wanted, _MET[verdict.ratio_met]]


def markdown(report: Report) -> str:
    """The report as a page."""
    lines = [
        "# agentpg and its peers, side by side",
        "",
        "Medians. Below each how many times better agentpg is: the median of the ratios of",
        "interleaved pairs, and the interval that holds the true median with the probability",
        f"{_coverage(report)} or more. ? marks ratios that do not tell who is better.",
        "",
        *_figures_page(report),
        "",
        "![plot](results.svg)",
        "",
        *_limits_page(report),
        *(f"- {line}" for line in (*_failures(report), *_circumstances(report))),
        "",
        "| peer | version | runs on | settings |",
        "| --- | --- | --- | --- |",
        *(f"| {p.name} | {p.version} | {p.language} | {p.settings} |" for p in report.peers),
    ]
    return "\n".join(lines) + "\n"


def _figures_page(report: Report) -> list[str]:
    peers = report.peers
    return [
        _line(["", *(peer.name for peer in peers)]),
        "|" + " --- |" + " ---: |" * len(peers),
        *(
            _line(
                [
                    row.figure.full_title,
                    *(_cell(row.spreads.get(p.key), row.ratios.get(p.key)) for p in peers),
                ]
            )
            for row in report.rows
        ),
    ]


def _limits_page(report: Report) -> list[str]:
    found = verdicts(report.rows)
    if not found:
        return []
    return [
        "## What is to be reached",
        "",
        "Each limit was set beside a peer that was measured on one machine. Machines differ: so",
        "the limit is given as a figure, and as how many times better than that peer ours has to",
        "be in the same run. It is met if the interval of the median reaches it; ? marks what too",
        "few pairs cannot tell.",
        "",
        "| | agentpg | interval | limit | | peer | times better | interval | limit | |",
        "| --- | ---: | --- | ---: | --- | --- | ---: | --- | ---: | --- |",
        *(_line(_limit_line(verdict, report)) for verdict in found),
        "",
    ]


def _limit_line(verdict: Verdict, report: Report) -> list[str]:
    title = f"{verdict.title}, {verdict.unit}" if verdict.unit else verdict.title
    ours, limit, met, *beside = _limit_cells(verdict)
    line = [title, ours, _interval(verdict.ours), limit, met]
    if not beside or verdict.ratio is None:
        return [*line, "", "", "", "", ""]
    times, wanted, ratio_met = beside
    peer = report.names.get(verdict.limit.peer or "", "")
    between = f"{verdict.ratio.low:.2f} to {verdict.ratio.high:.2f}"
    return [*line, peer, times, between, wanted, ratio_met]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _interval(found: Spread) -> str:
    return f"{number(found.low)} to {number(found.high)}"


def _cell(found: Spread | None, ratio: Ratio | None) -> str:
    if found is None:
        return "-"
    if ratio is None:
        return number(found.median)
    doubt = "" if ratio.sure else "?"
    return (
        f"{number(found.median)}<br>{ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f}{doubt})"
    )


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
    return f"{min(filter(sure, found), default=min(found)):.0%}" if found else "-"


def _failures(report: Report) -> list[str]:
    return [
        f"failed: {report.names.get(run.peer, run.peer)} at {run.work}, "
        f"pair {run.pair + 1}: {run.reason}"
        for run in report.failures
    ]


def _circumstances(report: Report) -> list[str]:
    facts = report.facts
    disk = "not measured" if facts.fdatasync_us is None else f"{facts.fdatasync_us:.0f} µs"
    sizes = ", ".join(f"{name} {count:,g}" for name, count in report.sizes.items())
    busiest = max((run.load for run in report.runs if run.peer == OURS), default=facts.load)
    return [
        f"{facts.at}; {facts.cores} cores ({facts.processor}), {facts.memory_gib} GiB, "
        f"{facts.system}",
        f"{facts.server}; " + ", ".join(f"{k} = {v}" for k, v in facts.settings.items()),
        f"fdatasync of one page: {disk}",
        f"load before the run {facts.load}, at most {busiest} before a run of ours",
        f"sizes: {sizes}",
        *([f"measured in an earlier run: {', '.join(report.kept)}"] if report.kept else []),
    ]
