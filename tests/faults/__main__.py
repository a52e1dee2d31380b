"""The table of faults and first findings; see the package."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from tests.faults.running import Result, results
from tests.places import write_to_memory
from tests.servers import Reaper

# Of the faults, so many must be named with the right cause as the first finding; and nothing is
# to be found where all is well.
_SHARE = 0.95


def main() -> int:
    """Make them, and print the table; 0 where enough are right."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description="Faults, and what the doctor says first."
    )
    parser.add_argument("--only", nargs="+", metavar="CODE|WORDS", default=[])
    wanted = parser.parse_args().only
    write_to_memory()
    reaper = Reaper()
    try:
        # What lies in the working folder is looked at, too.
        with (
            tempfile.TemporaryDirectory(prefix="agentpg-faults-") as folder,
            contextlib.chdir(folder),
        ):
            found = list(_told(results(Path(folder), reaper, wanted)))
    finally:
        reaper.close()
    _show(found)
    faults = [one for one in found if one.fault]
    right = sum(one.is_right for one in faults)
    print(f"{right} of {len(faults)} faults: {right / len(faults):.1%}")  # noqa: T201
    silent = all(one.is_right for one in found if not one.fault)
    return 0 if silent and right >= _SHARE * len(faults) else 1


def _told(found: Iterator[Result]) -> Iterator[Result]:
    for one in found:
        mark = "right" if one.is_right else "WRONG"
        print(f"{mark}: {one.what} -> {one.code} {one.message}", file=sys.stderr, flush=True)  # noqa: T201
        yield one


def _show(found: list[Result]) -> None:
    table = Table(
        Column("Fault", ratio=3),
        Column("How it was made", ratio=2),
        Column("What was said first", ratio=6),
        Column("Right?", width=6),
        Column("Seconds", justify="right", width=7),
        expand=True,
    )
    for one in found:
        said = f"{one.code} {one.message}" + ("" if one.is_right else f" (wanted: {one.wanted})")
        mark = "yes" if one.is_right else "NO"
        table.add_row(one.what, one.how, said, mark, f"{one.said.seconds:.1f}")
    Console(width=160).print(table)


if __name__ == "__main__":
    sys.exit(main())
