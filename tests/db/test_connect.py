"""Connection strings, and what libpq's variables may say beside them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from agentpg.db import Database, completed, configured, connect, environment_of, unaffected
from agentpg.errors import SettingError
from agentpg.settings import load_settings
from tests.servers import SharedServer

# Each of them leads a connection astray, or keeps it from being made.
ASTRAY = {
    "PGCHANNELBINDING": "require",
    "PGCLIENTENCODING": "LATIN1",
    "PGGSSENCMODE": "require",
    "PGHOST": "no.such.host.invalid",
    "PGHOSTADDR": "192.0.2.1",
    "PGMAXPROTOCOLVERSION": "1.0",
    "PGMINPROTOCOLVERSION": "9.9",
    "PGOPTIONS": "-c no_such_setting=1",
    "PGPASSFILE": "/no/such/file",
    "PGPASSWORD": "of another server",
    "PGPORT": "1",
    "PGREQUIREAUTH": "none",
    "PGREQUIREPEER": "nobody",
    "PGSSLMAXPROTOCOLVERSION": "TLSv1",
    "PGSSLMINPROTOCOLVERSION": "SSLv9",
    "PGSSLMODE": "verify-full",
    "PGSSLNEGOTIATION": "direct",
    "PGTARGETSESSIONATTRS": "standby",
    "PGUSER": "nobody",
}


@pytest.mark.parametrize("together", [True, False])
def test_a_private_connection_is_made_in_spite_of_libpqs_variables(
    shared_server: SharedServer, monkeypatch: pytest.MonkeyPatch, together: bool
) -> None:
    for one in [ASTRAY] if together else [{name: value} for name, value in ASTRAY.items()]:
        with monkeypatch.context() as patch:
            for name, value in one.items():
                patch.setenv(name, value)
            database = Database(shared_server.server.dsn())
            with connect(database) as connection:
                assert connection.execute("SELECT current_user").fetchall() == [("admin",)]


def test_variables_of_the_env_file_do_not_reach_it_either(
    shared_server: SharedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f"{name}='{value}'\n" for name, value in {**ASTRAY, "PGSERVICE": "none"}.items()]
    Path(".env").write_text("".join(lines))
    database = configured(load_settings(dsn=shared_server.server.dsn()))
    assert database is not None
    with connect(database) as connection:
        assert connection.execute("SELECT current_user").fetchall() == [("admin",)]


def test_nothing_is_said_that_no_variable_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert unaffected(host="h", port=1) == "host=h port=1"
    monkeypatch.setenv("PGPASSWORD", "x")
    monkeypatch.setenv("PGPORT", "2")
    monkeypatch.setenv("PGAPPNAME", "mine")
    shown = Database(unaffected(host="h", port=1)).without_password()
    assert conninfo_to_dict(shown) == {"host": "h", "port": "1", "password": ""}


def test_a_program_of_libpq_goes_where_the_connection_string_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {**ASTRAY, "PGSERVICE": "none", "PGTZ": "Asia/Seoul"}.items():
        monkeypatch.setenv(name, value)
    environment = environment_of(unaffected(host="h", port=1, user="u", dbname="d", passfile="p"))
    assert {name: value for name, value in environment.items() if name.startswith("PG")} == {
        "PGHOST": "h",
        "PGPORT": "1",
        "PGUSER": "u",
        "PGDATABASE": "d",
        "PGPASSFILE": "p",
        "PGCHANNELBINDING": "prefer",
        "PGCLIENTENCODING": "LATIN1",
        "PGGSSENCMODE": "disable",
        "PGMAXPROTOCOLVERSION": "latest",
        "PGMINPROTOCOLVERSION": "3.0",
        "PGREQUIREAUTH": "none,password,md5,gss,sspi,scram-sha-256",
        "PGSSLMINPROTOCOLVERSION": "TLSv1.2",
        "PGSSLMODE": "prefer",
        "PGSSLNEGOTIATION": "postgres",
        "PGTARGETSESSIONATTRS": "any",
        "PGTZ": "Asia/Seoul",
    }


def test_programs_are_given_what_libpq_would_take_beside_the_dsn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGHOST", "db.example")
    monkeypatch.setenv("PGUSER", "admin")
    said = {"host": "db.example", "user": "admin", "dbname": "x"}
    assert conninfo_to_dict(completed("dbname=x")) == said
    monkeypatch.setenv("PGHOSTADDR", "192.0.2.1")
    assert conninfo_to_dict(completed("host=other dbname=x")) == {**said, "host": "other"}
    assert environment_of(completed("dbname=x user=me"))["PGUSER"] == "me"


def test_programs_go_to_the_database_that_is_said_beside_a_service(
    shared_server: SharedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In variables, what the service says would win."""
    dsn = shared_server.server.dsn("postgres", "postgres")
    services = tmp_path / "services"
    lines = [f"{name}={value}" for name, value in conninfo_to_dict(dsn).items()]
    services.write_text("\n".join(["[there]", *lines, ""]))
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    monkeypatch.setenv("PGDATABASE", "elsewhere")
    wanted = Database("service=there").renamed("template1")
    for dsn in (wanted.dsn, completed(wanted.dsn)):
        environment = environment_of(dsn)
        assert "PGSERVICE" not in environment
        found = subprocess.run(
            ["psql", "-Atc", "SELECT current_database()"], env=environment,
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert found.stdout == "template1\n"
    assert environment_of(completed("service=there"))["PGDATABASE"] == "postgres"


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://admin:S3cret/Xyz9@127.0.0.1:5432/agentic_ai",
        "postgresql://admin:S3cret@Xyz9@127.0.0.1:5432/agentic_ai",
        "postgresql://admin:S3cret\udcff@127.0.0.1",
    ],
)
def test_a_password_that_was_not_encoded_is_not_shown(dsn: str) -> None:
    """libpq takes the rest of it for a host or a database."""
    with pytest.raises(SettingError) as raised:
        Database(dsn).target()
    assert not {"S3cret", "Xyz9"} & set(re.findall(r"\w+", f"{raised.value} {raised.value.values}"))


def test_signs_that_are_encoded_are_read() -> None:
    assert Database("postgresql://admin:a%40b%2Fc@h:1/d?options=-c%20a%3Db@c").target() == "h:1/d"


@pytest.mark.parametrize(
    ("dsn", "address", "is_local"),
    [
        ("host=localhost port=5433", ("localhost", 5433), True),
        ("host=/run/postgresql port=5433", ("localhost", 5433), True),
        ("host=localhost hostaddr=10.0.0.5 port=5433", ("localhost", 5433), False),
        ("host=a,b port=5433,5434", ("a,b", 5433), False),
        ("host=/tmp,/run port=5433,5434", ("/tmp,/run", 5433), False),
        ("host=localhost,127.0.0.1 port=,5434", ("localhost,127.0.0.1", 5432), False),
        ("host=localhost port=many", ("localhost", 0), True),
        ("service=far port=5433", ("localhost", 5433), False),
    ],
)
def test_where_a_server_is(dsn: str, address: tuple[str, int], is_local: bool) -> None:
    database = Database(dsn)
    assert database.address() == address
    assert database.is_local() is is_local
