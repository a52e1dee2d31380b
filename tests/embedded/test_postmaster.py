"""Recovery after a postmaster that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from agentpg.db import Database, connect
from agentpg.embedded.account import choose_account
from tests.embedded.probe import (
    ask,
    pid_of,
    run,
)
from tests.servers import OwnServers
from tests.waiting import eventually


def test_it_recovers_from_a_killed_postmaster(own_server: OwnServers) -> None:
    server = own_server()
    first = server.start().pid
    run(server.dsn(), "CREATE TABLE kept AS SELECT 42 AS answer")
    busy = connect(Database(server.dsn()))
    survivor = busy.pgconn.backend_pid
    busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 1000000000000)")
    os.kill(pid_of(server), signal.SIGKILL)
    eventually(lambda: not server.status().running)
    assert Path(f"/proc/{survivor}").exists()
    assert server.start().pid != first
    assert ask(server.dsn(), "SELECT answer FROM kept") == 42
    eventually(lambda: not Path(f"/proc/{survivor}").exists())
    busy.close()


def test_a_stranger_with_the_old_number_is_left_alone(own_server: OwnServers) -> None:
    server = own_server()
    server.start()
    server.stop("immediate")
    data = server.status().data
    who = choose_account(data)
    stranger = subprocess.Popen(["sleep", "300"], user=who.uid if who.switched else None)
    try:
        (data / "postmaster.pid").write_text(f"{stranger.pid}\n{data}\n0\n1\n\n\n\nready\n")
        assert not server.status().running
        assert not server.stop()
        server.start()
        assert ask(server.dsn(), "SELECT 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_zombie_with_the_old_number_is_no_server(own_server: OwnServers) -> None:
    server = own_server()
    server.start()
    server.stop("immediate")
    data = server.status().data
    who = choose_account(data)
    zombie = subprocess.Popen(["true"], user=who.uid if who.switched else None)
    state = Path(f"/proc/{zombie.pid}/stat")
    eventually(lambda: ") Z " in state.read_text())
    (data / "postmaster.pid").write_text(f"{zombie.pid}\n{data}\n0\n1\n\n\n\nready\n")
    server.start()
    assert ask(server.dsn(), "SELECT 1") == 1
    zombie.wait()
