"""Built-in agents at work, on an installation of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agentpg.db import Database
from tests.servers import SharedServer
from tests.tasks.engine import Engine


@pytest.fixture
def database(shared_server: SharedServer) -> Iterator[Database]:
    """A fresh database with the schema and its roles, as which the agents work."""
    with shared_server.database(parted=True) as fresh:
        yield fresh


@pytest.fixture
def engine(database: Database, tmp_path: Path) -> Iterator[Engine]:
    """A fresh installation."""
    made = Engine(database, tmp_path, parted=True)
    yield made
    made.close()
