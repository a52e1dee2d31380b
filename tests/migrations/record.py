"""Records the schema of this release with a row of each kind, for the tests of later ones.

    python -m tests.migrations.record DSN > tests/migrations/0001_recorded.sql

The DSN is that of an empty database and its owner; pg_dump is looked for in the PATH. Use
the oldest PostgreSQL that is supported, so that all can restore what it wrote.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from agentpg.db import Database
from agentpg.schema import migrate
from tests.schema.old import run

HISTORY = Path(__file__).with_name("history.sql")

_HEADER = """\
-- The schema of a release with a row of each kind, as pg_dump wrote it. Kept as it is, so
-- that later releases can test how they upgrade it.
"""


def record(database: Database) -> str:
    """Make the schema with its rows in an empty database, and dump it."""
    migrate(database)
    run(database, HISTORY.read_text(encoding="utf-8"), database.schema)
    dump = subprocess.run(
        ["pg_dump", "--no-owner", "--column-inserts", database.dsn],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    # Commands of psql, and the versions of this machine, are no part of the schema.
    lines = [x for x in dump.splitlines() if not re.match(r"\\|-- Dumped (from|by)", x)]
    return f"{_HEADER}\n" + "\n".join(lines).strip() + "\n"


if __name__ == "__main__":
    sys.stdout.write(record(Database(sys.argv[1])))
