"""`agentpg up` starts what is needed, stays, and stops in order."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentpg.cli.parted import agent_database
from agentpg.cli.session import Session
from agentpg.db import Database, connect, make_conninfo
from agentpg.embedded import EmbeddedServer
from agentpg.schema import released_migrations
from tests.cli.apps import write_greeter
from tests.cli.conftest import Call, Running
from tests.servers import PG_BIN, OwnServers, Reaper, remove_server

pytestmark = pytest.mark.one_server

Launch = Callable[..., Running]


@pytest.fixture
def server_home(home: Path, reaper: Reaper, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder `home` whose server is removed afterwards."""
    monkeypatch.setenv("AGENTPG_PG_BIN", PG_BIN)
    reaper.watch(home)
    yield home
    remove_server(home)


def _with_password(database: Database) -> tuple[str, str]:
    """The database's DSN with the password in it, and the password."""
    passfile = re.search(r"passfile=(\S+)", database.dsn)
    assert passfile is not None
    lines = Path(passfile[1]).read_text(encoding="utf-8").splitlines()
    password = next(line.split(":")[4] for line in lines if line.split(":")[3] == "admin")
    return make_conninfo(database.dsn, password=password, passfile=os.devnull), password


def _greeted(call: Call) -> None:
    done = call("task", "submit", "Greeter", "greet", '{"name": "Kim"}', "--wait", "--json")
    assert (done.code, json.loads(done.out)["result"]) == (0, {"greeting": "Hello, Kim"})


def _is_calm(call: Call) -> None:
    """Neither the doctor nor HealthAgent is kept from looking at anything on a private server."""
    done = call("task", "submit", "HealthAgent", "look", "--wait")
    assert done.code == 0, done.out
    alerts = json.loads(call("notify", "list", "--json").out)["alerts"]
    assert {one["condition"]["code"] for one in alerts} & {"N05"} == set()
    found = json.loads(call("doctor", "--json").out)["rooms"]
    assert {
        one["code"] for room in found.values() for one in room if one["level"] == "unknown"
    } == set()


def _works_as_its_role(call: Call) -> None:
    """A new server has all roles, and its workers are no owners."""
    found = json.loads(call("doctor", "security", "--json").out)["rooms"]["security"]
    said = {one["code"]: one["level"] for one in found if one["code"].startswith("R")}
    assert said == dict.fromkeys(("R01", "R02", "R03", "R04", "R05", "R06"), "ok")
    # Nothing is to be taken from a role that `security roles apply` would give it again.
    assert [one["level"] for one in found if one["code"] in ("A24", "A25")] == ["ok", "ok"]


def _changes_its_password(call: Call, home: Path) -> None:
    """The workers follow to the other login of the pair, and so does who starts next."""
    quick = ("--yes", "--quiet-for", "200ms")
    assert call("security", "password", "rotate", "agent", *quick).code == 0
    dsn = call("server", "dsn", "--role", "agentic_ai_agent_2").out.strip()
    assert call("--dsn", dsn, "config", "check").code == 0
    session = Session()
    session.override("home", home)
    found = agent_database(session)
    assert found is not None
    with connect(found) as connection:
        said = connection.execute(
            "SELECT current_user, array_agg(DISTINCT usename::text) FROM pg_stat_activity"
            " WHERE usename ~ '_agent_' AND pid <> pg_backend_pid()"
        ).fetchall()
    assert said == [("agentic_ai_agent_2", ["agentic_ai_agent_2"])]


def test_everything_from_start_to_stop(
    call: Call, launch: Launch, server_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSERVICEFILE", str(server_home / "logins" / "pg_service.conf"))
    up = launch("up", "--app", write_greeter())
    up.says("started, with", timeout=60)
    for part in (
        "BackupAgent, Greeter, HealthAgent, MaintenanceAgent, ReportAgent, SchemaAgent",
        "agentpg status",
        "agentpg server psql",
    ):
        assert part in " ".join(up.text.split())
    _greeted(call)
    _works_as_its_role(call)
    _changes_its_password(call, server_home)
    for kind in ("dump", "base"):
        made = call(
            "task", "submit", "BackupAgent", "make_backup", f'{{"kind": "{kind}"}}', "--wait"
        )
        assert made.code == 0, made.out
    kept = json.loads(call("backup", "list", "--json").out)
    assert len(kept) == 2
    dump = next(one["name"] for one in kept if one["kind"] == "dump")
    drilled = call("backup", "drill", dump)
    assert drilled.code == 0, drilled.out
    assert "permission denied" not in call("doctor", "--all").out, "HealthAgent sees everything"
    assert call("status").code == 0
    _is_calm(call)
    up.tell(signal.SIGTERM)
    assert up.ends(timeout=30) == 0
    assert up.text.endswith("Everything has stopped.\n")
    assert call("server", "status").code == 3


def test_a_server_that_was_running_is_left_running(
    call: Call, launch: Launch, server_home: Path
) -> None:
    """And has the roles like a new one, where nothing was in it."""
    EmbeddedServer(server_home, PG_BIN).start()
    up = launch("up")
    up.says("started, with", timeout=60)
    up.tell(signal.SIGINT)
    assert up.ends(timeout=30) == 0
    assert call("server", "status").code == 0
    assert "agentic_ai_agent_1" in call("security", "roles", "show", "agent").out


def test_what_goes_wrong_stops_the_server_again(
    call: Call, launch: Launch, server_home: Path
) -> None:
    up = launch("up", "--app", "nowhere:app")
    assert up.ends(timeout=60) == 2
    assert "there is no module nowhere" in up.text
    assert call("server", "status").code == 3


def test_a_configured_database_gets_the_schema(
    call: Call, launch: Launch, empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn, password = _with_password(empty_database)
    monkeypatch.setenv("AGENTPG_DSN", dsn)
    up = launch("up", "--app", write_greeter())
    up.says("started, with")
    assert "\n  psql '" in up.text
    assert password not in up.text
    # Whose database it is says who makes its backups.
    assert "BackupAgent" not in up.text
    agents = "Greeter, HealthAgent, MaintenanceAgent, ReportAgent, SchemaAgent"
    assert agents in " ".join(up.text.split())
    _greeted(call)
    up.tell(signal.SIGTERM)
    assert up.ends(timeout=30) == 0


@pytest.mark.parametrize("works", [True, False])
def test_a_newer_schema_is_worked_on_where_it_says_so(
    launch: Launch, installed: Database, works: bool
) -> None:
    newest = released_migrations()[-1].version
    with connect(installed) as connection:
        connection.execute(
            "INSERT INTO schema_migrations (version, name, checksum, works_with)"
            " VALUES (%s, 'later', '', %s)",
            (newest + 1, newest if works else newest + 1),
        )
    up = launch("up", "--app", write_greeter())
    if works:
        up.says("started, with")
    else:
        assert up.ends() == 4
        assert f"needs {newest}" in up.text


def test_a_configured_database_is_waited_for(
    own_server: OwnServers, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = own_server()
    server.start()
    monkeypatch.setenv("AGENTPG_DSN", server.dsn())
    server.stop()
    up = launch("up", "--app", write_greeter())
    up.says("trying again")
    server.start()
    up.says("started, with")


def test_the_built_in_agents_get_the_role_of_up(launch: Launch, database: Database) -> None:
    up = launch("--dsn", database.dsn, "up")
    up.says("started, with")
    assert "ReportAgent, SchemaAgent" in up.text


def test_the_options_that_find_it_again_are_shown(launch: Launch, database: Database) -> None:
    dsn, password = _with_password(database)
    up = launch("--dsn", dsn, "--schema", "agentic_ai", "up", "--app", write_greeter())
    up.says("started, with")
    assert "--schema agentic_ai status" in up.text
    assert password not in up.text
