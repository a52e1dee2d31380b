"""Folders for private servers."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import OwnServers, Reaper


@pytest.fixture
def own_server(tmp_path: Path, reaper: Reaper) -> Iterator[OwnServers]:
    """Call it for a server of the test's own, whose first start makes its data folder."""
    servers = OwnServers(tmp_path, reaper)
    yield servers
    servers.close()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account can enter; pytest's own are closed."""
    folder = Path(tempfile.mkdtemp(prefix="agentpg-open-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
