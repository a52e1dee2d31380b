"""Fixtures for pytest. Take them into use by this line in the uppermost `conftest.py`:

pytest_plugins = ["agentpg.testing.pytest_plugin"]
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agentpg.testing import Installation, PrivateServer


@pytest.fixture(scope="session")
def agentpg_server() -> Iterator[PrivateServer]:
    """A private server for the whole session; one for each process of pytest-xdist."""
    with PrivateServer() as server:
        yield server


@pytest.fixture
def agentpg(agentpg_server: PrivateServer) -> Iterator[Installation]:
    """A fresh installation for one test."""
    with agentpg_server.installation() as made:
        yield made
