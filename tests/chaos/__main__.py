"""python -m tests.chaos: run it, tell each fault, and print the report."""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos.faults import ALL
from tests.chaos.plan import Plan
from tests.chaos.report import line, markdown
from tests.chaos.run import Injury, run


def main() -> None:
    """Exit code 1 if anything was lost, recorded twice, stuck or wrongly blamed."""
    standard = Plan()
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=standard.seconds / 60)
    parser.add_argument("--seed", type=int, default=standard.seed)
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="FAULT", help=", ".join(f.name for f in ALL)
    )
    parser.add_argument("--lease", type=float, default=standard.lease, help="seconds")
    parser.add_argument("--rate", type=float, default=standard.rate, help="tasks a second")
    parser.add_argument("--report", type=Path, help="a file for the report, in Markdown")
    asked = parser.parse_args()
    plan = Plan(
        seconds=asked.minutes * 60,
        seed=asked.seed,
        only=tuple(asked.only),
        lease=asked.lease,
        rate=asked.rate,
    )
    logging.disable(logging.ERROR)
    folder = Path(tempfile.mkdtemp(prefix="agentpg-chaos-"))
    folder.chmod(0o755)
    outcome = run(plan, folder, _tell)
    report = markdown(outcome)
    sys.stdout.write(f"\n{report}")
    if asked.report:
        asked.report.write_text(report, encoding="utf-8")
    if not outcome.clean:
        sys.stderr.write(f"the workers' log: {folder}/workers.log\n")
        sys.exit(1)
    shutil.rmtree(folder, ignore_errors=True)


def _tell(injury: Injury) -> None:
    sys.stdout.write(f"{line(injury)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
