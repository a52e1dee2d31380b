"""Real work under random faults: tells each fault, and prints the report."""

from __future__ import annotations

import argparse
import logging
import math
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.chaos.faults import ALL
from tests.chaos.plan import Plan
from tests.chaos.report import line, markdown
from tests.chaos.run import Injury, run


def main() -> None:
    """Exit code 1 if anything was lost, recorded twice, stuck or wrongly blamed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the server is stopped
    asked = _asked()
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


def _asked() -> argparse.Namespace:
    standard = Plan()
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    minutes, names = standard.seconds / 60, [fault.name for fault in ALL]
    option = parser.add_argument
    option("--minutes", type=positive_number, default=minutes, help=f"how long ({minutes:g})")
    option("--seed", type=int, default=standard.seed, help="which faults come when; repeats a run")
    option("--only", nargs="+", default=[], metavar="FAULT", choices=names, help=", ".join(names))
    option(
        "--lease",
        type=positive_number,
        default=standard.lease,
        help=f"seconds ({standard.lease:g})",
    )
    option(
        "--rate",
        type=positive_number,
        default=standard.rate,
        help=f"tasks a second ({standard.rate:g})",
    )
    option("--report", type=Path, metavar="FILE", help="a file for the report, in Markdown")
    asked = parser.parse_args()
    if asked.report and not asked.report.absolute().parent.is_dir():
        parser.error(f"argument --report: there is no folder {asked.report.parent}")
    return asked


def positive_number(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"it must be greater than 0, not {text}")
    return number


def _tell(injury: Injury) -> None:
    sys.stdout.write(f"{line(injury)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
