"""Questions to a private server, and ways to start one from elsewhere."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from agentpg.db import Database, connect, scalar_row
from agentpg.embedded import EmbeddedServer
from agentpg.embedded.account import Account
from tests.servers import PG_BIN

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

# Starts a server in another process, which reads all of its own code before it becomes
# `uid`: Python or the repository may lie below a folder that is closed to others.
STARTER = """
import os, sys
from pathlib import Path
from agentpg.db.query import read_statements
from agentpg.embedded import EmbeddedServer
read_statements("server")
home, pg_bin, uid, gid = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
if uid != os.geteuid():
    os.setgroups([]); os.setgid(gid); os.setuid(uid)
status = EmbeddedServer(home, pg_bin, options={"fsync": "off"}).start()
print(status.pid)
"""


def starter(home: Path, who: Account | None = None, pg_bin: str = PG_BIN) -> list[str]:
    uid, gid = (who.uid, who.gid) if who else (os.geteuid(), os.getegid())
    return [sys.executable, "-c", STARTER, str(home), pg_bin, str(uid), str(gid)]


def ask(dsn: str, question: str) -> Any:
    with connect(Database(dsn)) as connection:
        return connection.cursor(row_factory=scalar_row).execute(question.encode()).fetchone()


def run(dsn: str, statement: str) -> None:
    with connect(Database(dsn)) as connection:
        connection.execute(statement.encode())


def pid_of(server: EmbeddedServer) -> int:
    pid = server.status().pid
    assert pid is not None
    return pid


def port_of(server: EmbeddedServer) -> int:
    port = server.status().port
    assert port is not None
    return port


def passwords(home: Path) -> dict[str, str]:
    lines = (home / "pgpass").read_text().splitlines()
    return {line.split(":")[-2]: line.split(":")[-1] for line in lines}


def home_of(server: EmbeddedServer) -> Path:
    return server.status().data.parents[1]
