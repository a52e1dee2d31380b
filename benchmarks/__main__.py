"""Measures agentpg and its peers side by side, on a PostgreSQL of their own.

python -m benchmarks --install        the peers' packages, once
python -m benchmarks                  everything, seven pairs each: three hours or more
python -m benchmarks --quick          a short look beside two peers: some four minutes
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console

from agentpg import load_settings
from agentpg.errors import AgentpgError
from benchmarks.facts import facts
from benchmarks.installing import install
from benchmarks.report import OUT, Report, earlier, show, write
from benchmarks.roster import IN_NODE, ORDER, OURS, PeerFailed, competitors
from benchmarks.runs import Measured, measure_work
from benchmarks.server import bench_server
from benchmarks.summary import summarize
from benchmarks.work import Scale, Work
from benchmarks.works import all_works

FULL = Scale(
    tasks=100_000,
    fewer=20_000,
    singles=5_000,
    pickups=200,
    history=5_000_000,
    held=400_000,
    late_backlog=200_000,
    dead=2_000_000,
    sleepers=20_000,
    idle_seconds=20.0,
)
QUICK = Scale(
    tasks=10_000,
    fewer=2_000,
    singles=1_000,
    pickups=40,
    history=100_000,
    held=40_000,
    late_backlog=40_000,
    dead=40_000,
    sleepers=5_000,
    idle_seconds=3.0,
)
_FULL_PAIRS = 7
_QUICK_PAIRS = 2
_QUICK_PEERS = (OURS, "pgqueuer", "graphile")

# Above so much load per core before the run, somebody else uses the machine.
_QUIET_LOAD = 0.25


def main() -> int:
    """Do what the options say; 1 when a peer failed."""
    options = _parser().parse_args()
    console = Console(stderr=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the server is stopped
    try:
        if options.install:
            _prepare(options.peers or ORDER, console)
            return 0
        chosen = options.peers or (_QUICK_PEERS if options.quick else ORDER)
        report = _run(options, _prepare(chosen, console), console)
    except (PeerFailed, AgentpgError) as error:
        console.print(f"{type(error).__name__}: {error}", style="red", markup=False)
        return 1
    show(report, Console())
    for path in write(report, options.out):
        console.print(f"wrote {path}", highlight=False)
    return 1 if report.failures else 0


def _prepare(peers: Sequence[str], console: Console) -> list[str]:
    """Install what these peers need; those that can run here."""
    missing = install(set(peers) - {OURS})
    for sentence in missing:
        console.print(sentence, style="yellow")
    return [peer for peer in peers if not (missing and peer in IN_NODE)]


def _run(options: argparse.Namespace, keys: list[str], console: Console) -> Report:
    scale = _scale(options)
    works = all_works(scale)
    chosen = [work for work in works if _wanted(work, options.only)]
    peers = competitors(keys)
    pairs = options.runs or (_QUICK_PAIRS if options.quick else _FULL_PAIRS)
    with bench_server(options.home, load_settings().pg_bin) as server:
        found = facts(server, with_fsync=not options.quick)
        console.print(f"{found.server}, {found.cores} cores, load {found.load}", highlight=False)
        if found.load > _QUIET_LOAD * found.cores:
            console.print("other work is under way here: expect lower figures", style="yellow")
        report = Report(found, peers, [], [], {**asdict(scale), "pairs": pairs})
        if options.keep:
            report = _with_earlier(report, chosen, options.out)
        for work in chosen:
            runs = measure_work(server, peers, work, pairs, _say(console))
            report = _with(report, works, runs)
            write(report, options.out)  # a long run that is broken off has not been for nothing
    return report


def _with_earlier(report: Report, chosen: list[Work], folder: Path) -> Report:
    peers, runs = earlier(folder, {work.key for work in chosen})
    by_key = {peer.key: peer for peer in (*peers, *report.peers)}
    return replace(
        report,
        peers=[by_key[key] for key in ORDER if key in by_key],
        runs=runs,
        kept=list(dict.fromkeys(run.work for run in runs)),
    )


def _with(report: Report, works: list[Work], runs: Iterator[Measured]) -> Report:
    all_runs = [*report.runs, *runs]
    return replace(report, runs=all_runs, rows=summarize(works, all_runs))


def _say(console: Console) -> Callable[[str], None]:
    return lambda line: console.print(line, highlight=False, markup=False)


def _scale(options: argparse.Namespace) -> Scale:
    usual = QUICK if options.quick else FULL
    if options.tasks is None:
        return usual
    tasks: int = options.tasks
    return replace(
        usual,
        tasks=tasks,
        fewer=min(tasks, usual.fewer),
        singles=min(tasks, usual.singles),
        history=min(50 * tasks, usual.history),
        held=min(4 * tasks, usual.held),
        late_backlog=min(4 * tasks, usual.late_backlog),
        dead=min(20 * tasks, usual.dead),
        sleepers=min(tasks, usual.sleepers),
    )


def _wanted(work: Work, only: list[str]) -> bool:
    return not only or any(work.key == name or work.key.startswith(f"{name}-") for name in only)


def _parser() -> argparse.ArgumentParser:
    keys, peers = ", ".join(work.key for work in all_works(FULL)), ", ".join(ORDER)
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--tasks", type=positive_number, help="tasks in bulk and drain (100,000); scales down"
    )
    parser.add_argument(
        "--runs", type=positive_number, help="pairs of ours and each peer, or rounds (7)"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="WORK",
        type=_work,
        help=f"{keys}; 'drain' means all that begin so",
    )
    parser.add_argument(
        "--peers", nargs="+", metavar="PEER", choices=ORDER, help=f"whom to measure: {peers}"
    )
    parser.add_argument(
        "--quick", action="store_true", help="few tasks, two pairs, two peers, no fsync test"
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep what an earlier run measured of other works"
    )
    parser.add_argument("--install", action="store_true", help="install the peers and end")
    parser.add_argument("--home", type=Path, help="keep the server's folder there")
    parser.add_argument("--out", type=Path, default=OUT, help="where the results are written")
    return parser


def _work(name: str) -> str:
    if not any(_wanted(work, [name]) for work in all_works(FULL)):
        raise argparse.ArgumentTypeError(f"there is no work {name}")
    return name


def positive_number(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"it must be 1 or more, not {text}")
    return number


if __name__ == "__main__":
    sys.exit(main())
