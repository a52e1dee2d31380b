"""Measures agentpg and its peers side by side, on a PostgreSQL of their own.

python -m benchmarks --install        the peers' packages, once
python -m benchmarks                  everything, seven pairs each: half an hour
python -m benchmarks --quick          a short look: two minutes
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from agentpg import load_settings
from agentpg.errors import AgentpgError
from benchmarks.facts import facts
from benchmarks.installing import install
from benchmarks.report import Report, show, write
from benchmarks.roster import ORDER, OURS, PeerFailed, competitors
from benchmarks.runs import measure_all
from benchmarks.server import bench_server
from benchmarks.summary import summarize
from benchmarks.work import Scale, Work
from benchmarks.works import all_works

_FULL = Scale(tasks=20_000, singles=5_000, pickups=200)
_QUICK = Scale(tasks=5_000, singles=1_000, pickups=40)
_FULL_PAIRS = 7
_QUICK_PAIRS = 2

# Above so much load per core before the run, somebody else uses the machine.
_QUIET_LOAD = 0.25


def main() -> int:
    """Do what the options say; 1 when a peer failed."""
    options = _parser().parse_args()
    console = Console(stderr=True)
    if options.install:
        console.print("installed" if install() else "installed already")
        return 0
    try:
        if set(options.peers) - {OURS}:
            install()
        report = _run(options, console)
    except (PeerFailed, AgentpgError, TimeoutError) as error:
        console.print(f"{type(error).__name__}: {error}", style="red", markup=False)
        return 1
    show(report, Console())
    for path in write(report, options.out):
        console.print(f"wrote {path}", highlight=False)
    return 0


def _run(options: argparse.Namespace, console: Console) -> Report:
    scale = _scale(options)
    works = [work for work in all_works(scale) if _wanted(work, options.only)]
    peers = competitors(options.peers)
    pairs = options.runs or (_QUICK_PAIRS if options.quick else _FULL_PAIRS)
    with bench_server(options.home, load_settings().pg_bin) as server:
        found = facts(server, with_fsync=not options.quick)
        console.print(f"{found.server}, {found.cores} cores, load {found.load}", highlight=False)
        if found.load > _QUIET_LOAD * found.cores:
            console.print("other work is under way here: expect lower figures", style="yellow")
        runs = list(
            measure_all(
                server, peers, works, pairs, lambda line: console.print(line, highlight=False)
            )
        )
    sizes = {**asdict(scale), "pairs": pairs}
    return Report(found, peers, summarize(works, runs), runs, sizes)


def _scale(options: argparse.Namespace) -> Scale:
    usual = _QUICK if options.quick else _FULL
    if options.tasks is None:
        return usual
    return Scale(options.tasks, max(1, options.tasks // 4), usual.pickups)


def _wanted(work: Work, only: list[str]) -> bool:
    return not only or any(work.key == name or work.key.startswith(f"{name}-") for name in only)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--tasks", type=int, help="tasks in bulk and drain (20,000)")
    parser.add_argument("--runs", type=int, help="pairs of ours and each peer (7)")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="WORK",
        help="bulk, single, single-1, single-20, drain, drain-1, drain-2 or pickup; repeatable",
    )
    parser.add_argument(
        "--peers", nargs="+", default=list(ORDER), choices=ORDER, help="whom to measure"
    )
    parser.add_argument("--quick", action="store_true", help="few tasks, two pairs, no fsync test")
    parser.add_argument("--install", action="store_true", help="install the peers and end")
    parser.add_argument("--home", type=Path, help="keep the server's folder there")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out")
    return parser


if __name__ == "__main__":
    sys.exit(main())
