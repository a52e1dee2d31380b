"""A server that does not answer is waited for once."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from agentpg.db import Database
from agentpg.desk.doctor.rooms import examine
from agentpg.settings import load_settings
from tests.desk.doctor.listeners import listener

pytestmark = pytest.mark.without_server


def test_rooms_after_the_first_do_not_wait_for_a_silent_server(tmp_path: Path) -> None:
    came: list[socket.socket] = []
    with listener(came.append) as port:
        dsn = f"host=127.0.0.1 port={port} dbname=d user=u connect_timeout=2"
        settings = load_settings(home=tmp_path, dsn_monitor=f"{dsn} password=m")
        said = examine(Database(dsn), settings, ("tasks", "vacuum", "server", "indexes"))
    # libpq asks at most for TLS, for GSSAPI, and plainly, within one connection.
    assert len(came) == 1
    assert {one.level for findings in said.values() for one in findings} == {"unknown"}
    assert all(said.values())
