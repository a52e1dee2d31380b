"""Who may act as postgres."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agentpg.errors import DatabaseUnavailable, NoAdministrator
from agentpg.setup import by_dsn, by_peer
from tests.setup.debian import Cluster

# The cluster is of PostgreSQL 15 in every run.
pytestmark = [pytest.mark.one_server, pytest.mark.xdist_group("cluster")]

_NOBODY = 65534


def test_root_is_postgres_while_it_connects(cluster: Cluster) -> None:
    with cluster.administrator().connect() as connection:
        assert connection.execute("SELECT session_user::text").fetchall() == [("postgres",)]
        assert os.geteuid() == 0


def test_nobody_else_is() -> None:
    before = os.geteuid()
    if before == 0:
        os.seteuid(_NOBODY)
    try:
        with pytest.raises(NoAdministrator, match=r"only root|no account postgres"):
            by_peer(5432)
    finally:
        os.seteuid(before)


def test_a_server_that_is_not_there(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable):
        by_peer(cluster.port, tmp_path).connect()
    assert os.geteuid() == 0


def test_where_clients_find_it() -> None:
    assert by_dsn("host=db.example port=6432").address() == ("db.example", 6432)
    assert by_dsn("host=/run/postgresql").address() == ("localhost", 5432)
