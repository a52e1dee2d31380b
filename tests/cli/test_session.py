"""What a session is given comes from options, settings and the private server, in that order."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentpg.cli.session import Session
from agentpg.errors import NoDatabase, ServerNotRunning
from tests.servers import PG_BIN, OwnServers

pytestmark = pytest.mark.one_server


def test_a_configured_database_wins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTPG_DSN", "host=one dbname=a")
    assert Session().database.target() == "one:5432/a"
    session = Session()
    session.overrides["dsn"] = "host=two dbname=b"
    session.overrides["schema_name"] = "other"
    assert session.database.target() == "two:5432/b"
    assert session.database.schema == "other"


def test_libpq_variables_name_a_database(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "three")
    monkeypatch.setenv("PGDATABASE", "c")
    assert Session().database.target() == "three:5432/c"


def test_without_any_there_is_no_database(home: Path) -> None:
    with pytest.raises(NoDatabase):
        _ = Session().database


def test_the_private_server_is_the_last_choice(
    own_server: OwnServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = own_server()
    server.start()
    home = server.status().data.parent.parent
    monkeypatch.setenv("AGENTPG_HOME", str(home))
    monkeypatch.setenv("AGENTPG_PG_BIN", PG_BIN)
    assert Session().database.dsn == server.dsn()
    server.stop()
    with pytest.raises(ServerNotRunning, match="is not running"):
        _ = Session().database


def test_a_relative_home_is_made_absolute(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTPG_HOME", "data")
    assert Session().home == Path.cwd() / "data"
