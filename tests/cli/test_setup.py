"""`agentpg setup` on a cluster of Debian's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agentpg.db import Database
from tests.cli.conftest import Call
from tests.schema.old import rows
from tests.servers import SharedServer
from tests.setup.debian import Cluster, cluster

# The cluster is of PostgreSQL 15 in every run.
pytestmark = [pytest.mark.one_server, pytest.mark.xdist_group("cluster")]

__all__ = ["cluster"]


def arguments(cluster: Cluster, name: str) -> list[str]:
    """The cluster, and a role and a database that only this test knows."""
    return ["--port", str(cluster.port), "--role", name, "--database", f"{name}_db"]


def test_setup_from_nothing_to_a_task(
    call: Call, call_process: Call, cluster: Cluster, home: Path
) -> None:
    chosen = arguments(cluster, "lena")
    printed = call("setup", *chosen, "--sql")
    assert printed.code == 0, printed.err
    assert "CREATE ROLE \"lena\" LOGIN PASSWORD :'password';" in printed.out
    assert not home.exists()

    done = call("setup", *chosen)
    assert (done.code, done.err) == (0, "")
    assert "role lena: done" in done.out
    assert "tables in agentic_ai: done" in done.out
    again = call("setup", *chosen)
    assert again.out.count("nothing to do") == 5
    assert call("setup", *chosen, "--sql").out == ""

    dsn = next(x for x in done.out.splitlines() if "AGENTPG_DSN=" in x).partition("=")[2].strip("'")
    assert f"passfile={home}" in dsn
    assert rows(Database(dsn), "SELECT count(*) FROM tasks") == [(0,)]
    psql = next(x for x in done.out.splitlines() if x.strip().startswith("psql "))
    asked = subprocess.run(
        ["sh", "-c", f"{psql} -Atc 'SELECT count(*) FROM tasks'"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.stdout == "0\n", asked.stderr

    parted = call("setup", *chosen, "--roles")
    assert "roles of lena_db: done" in parted.out
    agent = next(x for x in parted.out.splitlines() if "user=lena_db_agent_1" in x).strip()
    assert rows(Database(agent), "SELECT count(*) FROM agentic_ai.tasks") == [(0,)]
    assert "roles of lena_db: nothing to do" in call("setup", *chosen, "--roles").out


def test_the_units_are_installed(call: Call, cluster: Cluster, tmp_path: Path) -> None:
    chosen = arguments(cluster, "mina")
    folder = tmp_path / "units"
    asked = call("setup", *chosen, "--install-units", str(folder))
    assert asked.code == 2
    assert "Say --yes" in asked.err
    done = call("setup", *chosen, "--install-units", str(folder), "--yes")
    assert done.code == 0, done.err
    assert f"Wrote {folder}/agentpg-up.service." in done.out
    assert "systemctl enable --now agentpg-up" in done.out
    text = (folder / "agentpg-up.service").read_text(encoding="utf-8")
    assert f'"{Path(sys.executable).with_name("agentpg")}" up' in text
    again = call("setup", *chosen, "--install-units", str(folder), "--yes")
    assert "The units are as they should be" in again.out


def test_the_units_are_printed_without_a_server(
    call: Call, shared_server: SharedServer, home: Path
) -> None:
    called = call("--dsn", shared_server.superuser_dsn(), "setup", "--print-units", "--user", "me")
    assert called.code == 0, called.err
    assert "# agentpg-worker@.service" in called.out
    assert "User=me" in called.out
    assert "DynamicUser" not in called.out


def test_a_server_that_is_not_there(call: Call) -> None:
    called = call("--dsn", "host=127.0.0.1 port=1 user=postgres dbname=postgres", "setup")
    assert called.code == 3
