"""One reader in a process of its own, under atheris, which takes the process for itself.

python -m tests.fuzz.one hba CORPUS -max_total_time=30
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any


def main() -> None:
    """Feed the reader whose name is the first argument until the time is over."""
    name, corpus, *options = sys.argv[1:]
    atheris: Any = import_module("atheris")
    with atheris.instrument_imports(include=["agentpg"], enable_loader_override=False):
        targets = import_module("tests.fuzz.targets")
    target = targets.targets()[name]
    for number, seed in enumerate(target.seeds):
        Path(corpus, f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], *options, corpus], target.feed)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
