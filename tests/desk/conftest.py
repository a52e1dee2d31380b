"""One installation with a history, which the tests only read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agentpg.db import Database
from agentpg.desk.report_data import Report, collect_report
from tests.desk.history import write_history
from tests.servers import SharedServer


@pytest.fixture(scope="package")
def busy(shared_server: SharedServer) -> Iterator[Database]:
    """A database with two weeks of history; not to be changed."""
    with shared_server.database() as database:
        write_history(database)
        yield database


@pytest.fixture(scope="package")
def busy_report(busy: Database) -> Report:
    """The report of its last seven days."""
    return collect_report(busy)


@pytest.fixture
def empty_report(database: Database) -> Report:
    """The report of an installation without any task."""
    return collect_report(database)
