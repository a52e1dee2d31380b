"""Commits, and writes down what was acknowledged, until its server goes."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path

import psycopg


def main(dsn: str, writer: int, file: Path) -> None:
    """One row after the other, and a line for each that was acknowledged."""
    with psycopg.connect(dsn, autocommit=True) as connection, file.open("a") as acknowledged:
        number = 0
        while True:
            number += 1
            connection.execute("INSERT INTO ledger VALUES (%s, %s)", [writer, number])
            acknowledged.write(f"{number} {time.time()}\n")
            acknowledged.flush()


if __name__ == "__main__":
    with contextlib.suppress(psycopg.OperationalError):
        main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
