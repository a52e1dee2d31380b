"""Start, stop, status, and what a start refuses."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from agentpg.embedded import EmbeddedServer, StopMode
from agentpg.embedded.binaries import find_binaries
from agentpg.errors import (
    FolderUnusable,
    NotStartedYet,
    ServerNotStarted,
    WrongMajorVersion,
)
from tests.embedded.probe import (
    ask,
    home_of,
    pid_of,
    port_of,
    run,
    starter,
)
from tests.servers import PG_BIN, OwnServers, SharedServer


def test_status_tells_what_runs(shared_server: SharedServer) -> None:
    status = shared_server.server.status()
    assert status.running
    assert status.version == find_binaries(PG_BIN).version
    assert ask(shared_server.server.dsn(), "SHOW server_version").startswith(status.version)
    assert ask(shared_server.server.dsn(), "SHOW port") == str(status.port)
    assert status.log.is_file()
    assert shared_server.server.tool("pg_dump").is_file()


def test_before_the_first_start_there_is_nothing(own_server: OwnServers, tmp_path: Path) -> None:
    server = own_server(home=tmp_path / "new")
    assert not server.exists()
    assert not server.stop()
    assert server.status().port is None
    with pytest.raises(NotStartedYet):
        server.dsn()
    assert not (tmp_path / "new").exists()


def test_a_running_server_is_reused(shared_server: SharedServer) -> None:
    before = pid_of(shared_server.server)
    again = EmbeddedServer(home_of(shared_server.server), PG_BIN).start()
    assert again.pid == before


def test_it_stops_in_each_mode_and_keeps_data_and_port(own_server: OwnServers) -> None:
    server = own_server()
    port = server.start().port
    run(server.dsn(), "CREATE TABLE public_note AS SELECT 1 AS kept")
    modes: tuple[StopMode, ...] = ("smart", "fast", "immediate")
    for mode in modes:
        assert server.stop(mode)
        assert not server.stop(mode)
        assert not server.status().running
        assert server.start().port == port
        assert ask(server.dsn(), "SELECT kept FROM public_note") == 1


def test_it_outlives_the_process_that_started_it(own_server: OwnServers, tmp_path: Path) -> None:
    server = own_server(home=tmp_path / "home")
    done = subprocess.run(starter(tmp_path / "home"), capture_output=True, text=True, check=True)
    assert int(done.stdout) == pid_of(server)
    assert os.getsid(pid_of(server)) != os.getsid(0)
    assert ask(server.dsn(), "SELECT 1") == 1


def test_two_starts_at_once_make_one_server(own_server: OwnServers, tmp_path: Path) -> None:
    server = own_server(home=tmp_path / "home")
    both = [
        subprocess.Popen(starter(tmp_path / "home"), stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = {process.communicate()[0].strip() for process in both}
    assert said == {str(pid_of(server))}


def test_a_taken_port_is_replaced(own_server: OwnServers) -> None:
    server = own_server()
    server.start()
    taken = port_of(server)
    server.stop()
    with socket.create_server(("127.0.0.1", taken)):
        assert server.start().port != taken
        assert ask(server.dsn(), "SHOW port") == str(port_of(server))


def test_options_become_settings(own_server: OwnServers) -> None:
    server = own_server(options={"log_line_prefix": "it's %p ", "work_mem": "5MB"})
    server.start()
    assert ask(server.dsn(), "SHOW work_mem") == "5MB"
    assert ask(server.dsn(), "SHOW log_line_prefix") == "it's %p "


def test_another_major_version_is_refused(own_server: OwnServers) -> None:
    server = own_server()
    server.start()
    server.stop()
    version = server.status().data / "PG_VERSION"
    version.write_text("14\n")
    with pytest.raises(WrongMajorVersion, match="belongs to PostgreSQL 14") as refusal:
        server.start()
    assert refusal.value.exit_code == 4
    assert "version 14" in refusal.value.advice()
    assert not server.status().running


def test_a_folder_without_its_version_is_refused(own_server: OwnServers) -> None:
    server = own_server()
    server.start()
    server.stop()
    (server.status().data / "PG_VERSION").unlink()
    with pytest.raises(FolderUnusable, match="PG_VERSION is missing or damaged"):
        server.start()


def test_a_corrupted_folder_says_what_the_server_says(own_server: OwnServers) -> None:
    server = own_server()
    server.start()
    server.stop()
    (server.status().data / "global" / "pg_control").write_bytes(b"\0" * 8192)
    with pytest.raises(ServerNotStarted, match=r"PANIC|FATAL") as failure:
        server.start()
    assert "\n" not in str(failure.value)
    assert "postgresql/" in failure.value.advice()


def test_a_wrong_option_is_named(own_server: OwnServers) -> None:
    server = own_server(options={"work_mem": "nonsense"})
    with pytest.raises(ServerNotStarted, match="work_mem"):
        server.start()


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FolderUnusable, match=re.escape(str(tmp_path / "file" / "home"))):
        EmbeddedServer(tmp_path / "file" / "home", PG_BIN).start()
