"""Feeds all readers for a while, and keeps what breaks one.

A find is left in `found/NAME-…`, with how it ended in `found/NAME.log`. Mend the reader, and move
the find to `tests/fuzz/regressions/NAME/`, where the ordinary tests meet it again.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import click

from tests.fuzz.targets import targets

_STATISTIC = "stat::number_of_executed_units:"
# An input that takes longer is a find, and so is one that takes so much memory.
_SECONDS_FOR_ONE, _MEGABYTES = 10, 2048


@click.command()
@click.option("--minutes", type=float, default=10.0, show_default=True, help="In all.")
@click.option("--target", "names", multiple=True, help="These alone; by default all.")
@click.option("--jobs", type=int, default=1, show_default=True, help="How many at a time.")
@click.option("--found", type=click.Path(path_type=Path), default=Path("found"), show_default=True)
def main(minutes: float, names: Sequence[str], jobs: int, found: Path) -> None:
    """Feed the readers of tests/fuzz/targets.py inputs that coverage guides."""
    if find_spec("atheris") is None:
        raise click.ClickException("atheris is not installed: `make fuzz` does it")
    wanted = [*names] or [*targets()]
    found.mkdir(parents=True, exist_ok=True)
    seconds = max(1, round(minutes * 60 * jobs / len(wanted)))
    with ThreadPoolExecutor(jobs) as pool:
        ends = list(pool.map(lambda name: _feed(name, seconds, found), wanted))
    broken = [name for name, end in zip(wanted, ends, strict=True) if not end]
    click.echo(f"{len(wanted) - len(broken)} of {len(wanted)} readers stood {minutes:g} min")
    sys.exit(1 if broken else 0)


def _feed(name: str, seconds: int, found: Path) -> bool:
    """Feed one reader; whether nothing broke it."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="agentpg-corpus-") as corpus:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tests.fuzz.one", name, corpus),
                f"-max_total_time={seconds}",
                f"-artifact_prefix={found}/{name}-",
                f"-timeout={_SECONDS_FOR_ONE}",
                f"-rss_limit_mb={_MEGABYTES}",
                "-max_len=4096",
                "-print_final_stats=1",
            ],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        reached = len(list(Path(corpus).iterdir()))
    said = done.stdout + done.stderr
    inputs = [line.split()[-1] for line in said.splitlines() if line.startswith(_STATISTIC)]
    took = time.monotonic() - began
    click.echo(
        f"{name:<12} {''.join(inputs[-1:]) or '?':>9} inputs, {reached:>4} kinds of them, "
        f"{took:.0f} s{'' if done.returncode == 0 else ': BROKEN'}"
    )
    if done.returncode:
        (found / f"{name}.log").write_text(said[-20_000:], encoding="utf-8")
    return done.returncode == 0


if __name__ == "__main__":
    main()
