"""One server with every fault, for all tests of connections in this process."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.desk.doctor.faulty import Faulty
from tests.servers import Mould, OwnServers, Reaper


@pytest.fixture(autouse=True)
def nobody_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No password file, key or certificate of the developer reaches a test."""
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def free_port() -> int:
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def faulty(
    reaper: Reaper, mould: Mould, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Faulty]:
    """The server; a test leaves it as it was."""
    servers = OwnServers(tmp_path_factory.mktemp("faulty"), reaper, mould)
    options = {"max_connections": "12", "listen_addresses": "*"}
    yield Faulty(servers(options=options))
    servers.close()
