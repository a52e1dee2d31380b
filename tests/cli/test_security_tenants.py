"""`agentpg security tenants`: what it shows, asks and refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from agentpg.db import Database, connect
from agentpg.desk.security.roles.applying import apply_roles, plan_roles
from agentpg.desk.security.tenants.binding import look_at_tenants
from tests.cli.conftest import Call

pytestmark = pytest.mark.one_server


@pytest.fixture
def north_app(installed: Database, superuser_dsn: Callable[..., str]) -> Iterator[str]:
    """A client's login."""
    with connect(installed) as connection:
        [(name,)] = connection.execute("SELECT current_database()").fetchall()
    admin = Database(superuser_dsn(name), installed.schema)
    apply_roles(admin, plan_roles(admin))
    login, names = f"{name}_north", look_at_tenants(installed).names
    with connect(admin) as connection:
        connection.execute(f"CREATE ROLE {login} LOGIN IN ROLE {names.group('client')}".encode())
    yield login
    with connect(admin) as connection:
        connection.execute(f"DROP ROLE {login}".encode())


def test_a_login_is_bound_and_tenants_are_turned_on_and_off(call: Call, north_app: str) -> None:
    assert "off" in call("security", "tenants", "show").out
    unbound = call("security", "tenants", "on", "--yes")
    assert f"{north_app} is bound to no tenant" in unbound.err
    assert unbound.out.rstrip().endswith("its own tenant's tasks alone.")
    assert call("security", "tenants", "bind", north_app, "north").out.strip() == (
        f"{north_app} works for north."
    )
    shown = json.loads(call("security", "tenants", "show", "--json").out)
    assert shown["on"]
    assert {"login": north_app, "tenant": "north", "problem": None} in shown["logins"]
    assert "CREATE POLICY" not in call("security", "tenants", "on", "--yes").out
    assert call("security", "tenants", "unbind", north_app).code == 0
    assert call("security", "tenants", "unbind", north_app).code == 1
    told = json.loads(call("security", "log", "show", "--json").out)
    assert [one["details"]["was"] for one in told if "was" in one["details"]] == ["north"]
    assert "DISABLE ROW LEVEL SECURITY" in call("security", "tenants", "off", "--yes").out
    assert not json.loads(call("security", "tenants", "show", "--json").out)["on"]


def test_what_cannot_be_done_is_said(call: Call, installed: Database, north_app: str) -> None:
    nobody = call("security", "tenants", "bind", "nobody_there", "north")
    assert (nobody.code, "there is no such role" in nobody.err) == (4, True)
    for name in ("", "n" * 101, "a\nb"):
        wrong = call("security", "tenants", "bind", north_app, name)
        assert (wrong.code, "cannot be the name of a tenant" in wrong.err) == (2, True)
    assert call("security", "tenants", "on").code == 2  # nobody can be asked


def test_without_the_roles_it_says_how_they_are_made(call: Call, installed: Database) -> None:
    refused = call("security", "tenants", "on", "--yes")
    assert refused.code == 4
    assert "agentpg security roles apply" in refused.err
