"""A server elsewhere has to prove who it is, unless somebody says otherwise."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

import agentpg
from agentpg.db import Database, completed, configured, environment_of, secured, sslmode_of
from agentpg.desk.doctor.connection.facts import NoService, Wrong
from agentpg.desk.doctor.connection.reading import read
from agentpg.settings import Settings, load_settings

pytestmark = pytest.mark.without_server

FULL = "verify-full"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with an empty home, and nothing of the developer's around them."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PGSSLMODE", raising=False)
    monkeypatch.chdir(tmp_path)
    return load_settings(home=tmp_path / "home")


@pytest.mark.parametrize(
    ("dsn", "mode"),
    [
        ("host=db.example", FULL),
        ("postgresql://kim@db.example/app", FULL),
        ("host=10.0.5.2", FULL),
        ("host=localhost hostaddr=10.0.5.2", FULL),
        ("host=localhost,db.example", FULL),
        ("host=fd00::1", FULL),
        ("host=db.example sslmode=prefer", "prefer"),
        ("postgresql://db.example/app?sslmode=disable", "disable"),
        ("host=db.example sslmode=verify-ca", "verify-ca"),
        ("host=localhost", "prefer"),
        ("host=127.0.0.3", "prefer"),
        ("host=::1", "prefer"),
        ("host=/run/postgresql", "prefer"),
        ("dbname=app", "prefer"),
        ("", "prefer"),
    ],
)
def test_who_is_elsewhere_has_to_prove_it(settings: Settings, dsn: str, mode: str) -> None:
    made = secured(dsn, settings)
    assert sslmode_of(made) == mode
    assert made == dsn or mode == FULL
    # Whoever else reads it reads the same.
    if dsn:
        assert environment_of(made).get("PGSSLMODE", "prefer") == mode
        assert environment_of(completed(made)).get("PGSSLMODE", "prefer") == mode
        wanted = read(made)
        assert not isinstance(wanted, (Wrong, NoService))
        assert wanted.wanted.sslmode == mode
        assert (wanted.wanted.root_exists) or mode == "prefer" or "sslmode" in dsn
        in_force = conninfo_to_dict(Database(made).conninfo("test")).get("sslmode", "prefer")
        assert in_force == mode


def test_variables_and_services_say_it_too(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = tmp_path / ".pg_service.conf"
    services.write_text(
        "[lax]\nhost=db.example\nsslmode=prefer\n[mute]\nhost=db.example\n", encoding="utf-8"
    )
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    assert sslmode_of(secured("service=lax", settings)) == "prefer"
    assert sslmode_of(secured("service=mute", settings)) == FULL
    assert secured("service=none", settings) == "service=none"
    monkeypatch.setenv("PGHOST", "db.example")
    database = configured(settings)
    assert database is not None
    assert sslmode_of(database.dsn) == FULL
    monkeypatch.setenv("PGSSLMODE", "require")
    assert secured("host=db.example", settings) == "host=db.example"
    assert sslmode_of("host=db.example") == "require"


def test_a_setting_says_it_for_all(settings: Settings, tmp_path: Path) -> None:
    lax = load_settings(home=tmp_path, sslmode="prefer")
    assert secured("host=db.example", lax) == "host=db.example sslmode=prefer"


def test_the_authority_of_the_home_is_believed_before_others(
    settings: Settings, tmp_path: Path
) -> None:
    def root(dsn: str = "host=db.example") -> str:
        return str(conninfo_to_dict(secured(dsn, settings)).get("sslrootcert", ""))

    assert Path(root()).exists() or root() == "system"
    (tmp_path / ".postgresql").mkdir()
    (tmp_path / ".postgresql" / "root.crt").write_bytes(b"")
    assert root() == "", "libpq looks there by itself"
    ours = tmp_path / "home" / "tls" / "authority.crt"
    ours.parent.mkdir(parents=True)
    ours.write_bytes(b"")
    assert root() == str(ours)
    assert root("host=db.example sslrootcert=/x.crt") == "/x.crt"


def test_no_connection_string_of_the_settings_goes_past_it() -> None:
    past = []
    for path in Path(agentpg.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != "Database":
                continue
            bare = [one for arg in node.args for one in _bare(arg)]
            past += [f"{path.name}:{node.lineno} {one}" for one in bare]
    assert past == []


def _bare(node: ast.AST) -> list[str]:
    """The settings' connection strings in it that are not given to `secured`."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "secured":
        return []
    said = node.attr if isinstance(node, ast.Attribute) and node.attr.startswith("dsn_") else ""
    return [*filter(None, [said]), *(n for one in ast.iter_child_nodes(node) for n in _bare(one))]
