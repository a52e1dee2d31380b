"""Measures the audit of security on a server with many roles and tables.

python -m benchmarks.audit           1,000 roles and 10,000 tables, five runs
python -m benchmarks.audit --quick   100 roles and 500 tables, two runs

The tables have rights of several roles, some of everybody, some policies, and functions that run
with their owner's rights; pg_hba.conf has a line for each tenth role. Each run is a process
`agentpg security audit --json` of its own; so is one of `agentpg doctor addresses --json`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.figures import spread
from benchmarks.retention import Site

_LIMIT_SECONDS = 15.0

_ROLES = """
DO $$ BEGIN
    CREATE ROLE staff NOLOGIN;
    FOR n IN 1 .. {roles} LOOP
        EXECUTE format('CREATE ROLE r%s LOGIN IN ROLE staff', n);
    END LOOP;
END $$
"""

# In so many transactions, since each holds a lock on all that it makes.
_TABLES_IN_ONE = 500
_TABLES = """
DO $$ BEGIN
    FOR n IN {first} .. {last} LOOP
        EXECUTE format('CREATE TABLE filled.t%s (id bigint, api_token text)', n);
        EXECUTE format('GRANT SELECT ON filled.t%s TO r%s, r%s', n, 1 + n % {roles},
            1 + (n * 7) % {roles});
        IF n % 20 = 0 THEN
            EXECUTE format('GRANT SELECT ON filled.t%s TO PUBLIC', n);
            EXECUTE format('ALTER TABLE filled.t%s ENABLE ROW LEVEL SECURITY', n);
            EXECUTE format('CREATE POLICY p ON filled.t%s USING (id > 0)', n);
        END IF;
        IF n % 50 = 0 THEN
            EXECUTE format('CREATE FUNCTION filled.f%s() RETURNS int LANGUAGE sql '
                'SECURITY DEFINER AS ''SELECT 1''', n);
        END IF;
    END LOOP;
END $$
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One run: its time by the clock, the most memory that it had, and what it said."""

    seconds: float
    peak_bytes: int
    document: dict[str, Any]

    def levels(self) -> Counter[str]:
        """How many findings of each level."""
        return Counter(one["level"] for room in self.document["rooms"].values() for one in room)


def main() -> int:
    """Measure, and print what came out; 0 where it is within the limit, and nothing unknown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit", description=__doc__)
    parser.add_argument("--roles", type=int, default=1000)
    parser.add_argument("--tables", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    said = parser.parse_args()
    if said.quick:
        said.roles, said.tables, said.runs = 100, 500, 2
    home = Path(tempfile.mkdtemp(prefix="agentpg-audit-"))
    home.chmod(0o711)
    site = Site(home / "home")
    try:
        _fill(site, said.roles, said.tables)
        _lines(home / "home", said.roles)
        audits = [_run(site, home, "security", "audit") for _ in range(said.runs)]
        addresses = [_run(site, home, "doctor", "addresses") for _ in range(said.runs)]
    finally:
        site.close()
        shutil.rmtree(home, ignore_errors=True)
    return 0 if _show({"audit": audits, "addresses": addresses}) else 1


def _fill(site: Site, roles: int, tables: int) -> None:
    site.run(_ROLES.format(roles=roles))
    site.run("CREATE SCHEMA filled")
    for first in range(1, tables + 1, _TABLES_IN_ONE):
        last = min(first + _TABLES_IN_ONE - 1, tables)
        text = _TABLES.format(first=first, last=last, roles=roles)
        site.run(text)
    site.settle_down()


def _lines(home: Path, roles: int) -> None:
    """A line for each tenth role, before those that let the server's own people in."""
    path = home / "postgresql" / "data" / "pg_hba.conf"
    former = path.read_text(encoding="utf-8")
    lines = [
        f"hostssl agentic_ai r{n} 10.{n % 250}.0.0/16 scram-sha-256" for n in range(1, roles, 10)
    ]
    path.write_text("\n".join(lines) + "\n" + former, encoding="utf-8")


def _run(site: Site, home: Path, *words: str) -> Run:
    variables = {
        **os.environ,
        "AGENTPG_DSN": site.superuser_dsn("agentic_ai"),
        "AGENTPG_HOME": str(home / "home"),
    }
    with tempfile.TemporaryFile() as out:
        begun = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "agentpg", *words, "--json"], env=variables, stdout=out
        )
        _, _, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begun
        process.returncode = 0
        out.seek(0)
        return Run(seconds, usage.ru_maxrss * 1024, json.load(out))


def _rows(measured: dict[str, list[Run]]) -> Iterator[tuple[str, str, str, str, bool]]:
    for what, runs in measured.items():
        slowest = max(run.seconds for run in runs)
        median = spread([run.seconds for run in runs]).median
        levels = runs[-1].levels()
        said = ", ".join(f"{level} {count}" for level, count in sorted(levels.items()))
        is_kept = slowest < _LIMIT_SECONDS and not levels["unknown"]
        peak = max(run.peak_bytes for run in runs)
        times = f"{slowest:.2f} s (median {median:.2f})"
        yield what, times, f"{peak / 2**20:.0f} MB", said, is_kept


def _show(measured: dict[str, list[Run]]) -> bool:
    table = Table("what", "slowest", "most memory", "findings", "kept")
    kept = True
    for what, times, peak, said, is_kept in _rows(measured):
        table.add_row(what, times, peak, said, "yes" if is_kept else "NO")
        kept = kept and is_kept
    Console().print(table)
    return kept


if __name__ == "__main__":
    sys.exit(main())
