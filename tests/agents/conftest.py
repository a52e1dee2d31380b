"""Built-in agents at work, on an installation of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agentpg.db import Database
from tests.tasks.engine import Engine


@pytest.fixture
def engine(database: Database, tmp_path: Path) -> Iterator[Engine]:
    """A fresh installation."""
    made = Engine(database, tmp_path)
    yield made
    made.close()
