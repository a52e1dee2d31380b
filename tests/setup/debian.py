"""A server as Debian makes it, with its own pg_hba.conf and real peer authentication."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentpg.setup import Administrator, by_peer

VERSION = "15"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that pg_createcluster made."""

    name: str
    port: int

    def administrator(self) -> Administrator:
        """postgres by peer authentication."""
        return by_peer(self.port)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster of the test's own, on a free port; the machine's clusters are left alone."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a cluster of Debian's")
    if shutil.which("pg_createcluster") is None:
        pytest.skip("postgresql-common is not installed")
    if not Path(f"/usr/lib/postgresql/{VERSION}/bin/postgres").exists():
        pytest.skip(f"postgresql-{VERSION} is not installed")
    made = Cluster(f"agentpg_{secrets.token_hex(4)}", _free_port())
    options = ["--start-conf=manual", "-p", str(made.port), "-o", "fsync=off"]
    _run("pg_createcluster", *options, VERSION, made.name)
    try:
        _run("pg_ctlcluster", VERSION, made.name, "start")
        yield made
    finally:
        _run("pg_dropcluster", "--stop", VERSION, made.name)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
