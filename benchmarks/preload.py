"""What it costs the engine that the server counts its statements: drains in interleaved pairs."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.figures import Ratio, ratio
from benchmarks.retention import Site, drained, submit

_COUNTS = "pg_stat_statements"


def preloaded_share(home: Path, tasks: int, pairs: int) -> Ratio:
    """The rate of drains on a server that preloads pg_stat_statements, against one that does not.

    Both run all the time and are otherwise alike; which comes first changes from pair to pair.
    """
    tell = Console(file=sys.stderr, highlight=False).print
    sites = {library: Site(home / (library or "plain"), shared_preload_libraries=library)
             for library in (_COUNTS, "")}  # fmt: skip
    rates: dict[str, list[float]] = {library: [] for library in sites}
    try:
        sites[_COUNTS].run(f"CREATE EXTENSION {_COUNTS}")
        for pair in range(pairs):
            for library in sorted(sites, reverse=pair % 2 == 0):
                rates[library].append(_drain(sites[library], tasks))
            with_it, without = rates[_COUNTS][-1], rates[""][-1]
            tell(f"pair {pair + 1}: {with_it:,.0f}/s counted, {without:,.0f}/s not counted")
    finally:
        for site in sites.values():
            site.close()
    return ratio(rates[_COUNTS], rates[""], "more")


def _drain(site: Site, tasks: int) -> float:
    site.clear()
    submit(site, tasks)
    site.settle_down()
    return drained(site, tasks, contextlib.nullcontext())
