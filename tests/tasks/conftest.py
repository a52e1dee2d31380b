"""The engine under test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agentpg.db import Database
from tests.invariants import contradictions
from tests.tasks.engine import Engine


@pytest.fixture
def engine(database: Database, tmp_path: Path) -> Iterator[Engine]:
    """A fresh installation; whatever the test did to it, nothing may contradict itself."""
    made = Engine(database, tmp_path)
    yield made
    made.close()
    assert contradictions(database) == {}
