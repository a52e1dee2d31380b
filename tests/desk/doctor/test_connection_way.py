"""What keeps one from a server before it is asked: the string, the name, what listens there."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from agentpg.db import read_conninfo
from agentpg.desk.doctor.connection.facts import LocalServer
from agentpg.desk.doctor.connection.logs import last_said
from agentpg.desk.doctor.connection.proving import allowed_by
from tests.desk.doctor import listeners
from tests.desk.doctor.faulty import cause_of, looked_at
from tests.desk.doctor.listeners import Serve, listener

pytestmark = [pytest.mark.without_server, pytest.mark.xdist_group("connection")]


@pytest.mark.parametrize(
    ("serve", "code"),
    [
        (listeners.web, "C12"),
        (listeners.shell, "C12"),
        (listeners.plain, "C12"),
        (listeners.silent, "C11"),
        (listeners.closing, "C13"),
        (listeners.resetting, "C13"),
        (listeners.kerberos, "C39"),
    ],
)
def test_what_listens_instead_is_recognized(serve: Serve, code: str) -> None:
    with listener(serve) as port:
        finding = cause_of(f"host=127.0.0.1 port={port} user=me dbname=db password=secret")
    assert finding.code == code, finding


def test_the_first_words_of_something_else_are_shown() -> None:
    with listener(listeners.web) as port:
        finding = cause_of(f"host=127.0.0.1 port={port} user=me")
    assert "HTTP/1.1 400 Bad Request" in finding.message()


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        ("host=a prot=5432", "prot, which is no parameter; port is one"),
        ("postgresql://a/b?sslmod=require", "sslmod, which is no parameter; sslmode is one"),
        ("host", "no connection string"),
        ("postgresql://[::1/db", "no connection string"),
        ("host=a sslmode=perhaps", 'invalid sslmode value: "perhaps"'),
        ("host=a,b port=1,2,3", "3 port numbers"),
        ("host=a port=99999", "invalid port number"),
        ("postgresql://me:se@cret@db.example/x", "a sign of the password"),
        ("postgresql://me:se/cret@db.example/x", "a sign of the password"),
    ],
)
def test_a_string_that_cannot_be_used_is_told_without_its_secrets(dsn: str, said: str) -> None:
    facts, [finding] = looked_at(dsn)
    assert finding.code == "C01"
    assert said in finding.message()
    everything = f"{finding.document()} {facts}"
    assert "cret" not in everything.replace("secret", ""), everything


def test_a_service_that_is_in_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    services = tmp_path / "services"
    services.write_text("[other]\nhost=127.0.0.1\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    finding = cause_of("service=reports")
    assert (finding.code, finding.subject) == ("C02", "reports")
    assert str(services) in finding.message()


def test_what_a_service_says_is_read_as_libpq_reads_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free_port: int
) -> None:
    services = tmp_path / "services"
    services.write_text(f"[reports]\nhost=127.0.0.1\nport={free_port}\nuser=me\nsslmode=disable\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    monkeypatch.setenv("PGDATABASE", "wanted")
    facts, [finding] = looked_at("service=reports")
    assert facts.wanted is not None
    assert (facts.wanted.user, facts.wanted.database) == ("me", "wanted")
    assert facts.wanted.sslmode == "disable"
    assert finding.subject == f"127.0.0.1:{free_port}"


def test_a_name_that_nobody_resolves() -> None:
    finding = cause_of("host=no-such-host.invalid user=me")
    assert (finding.code, finding.subject) == ("C03", "no-such-host.invalid")


def test_the_host_that_came_furthest_is_the_cause_and_others_are_named(free_port: int) -> None:
    with listener(listeners.web) as port:
        hosts = "no-such-host.invalid,127.0.0.1,127.0.0.1"
        _, findings = looked_at(f"host={hosts} port=5432,{free_port},{port} user=me")
    assert findings[0].code == "C12"
    assert {one.code: one.level for one in findings[1:]}["C03"] == "info"


def test_a_socket_that_may_not_be_used_or_is_stale(tmp_path: Path, free_port: int) -> None:
    path = tmp_path / f".s.PGSQL.{free_port}"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    # The file of a server that was killed is still there.
    finding = cause_of(f"host={tmp_path} port={free_port} user=me")
    assert finding.code == "C04", finding


@pytest.mark.parametrize("method", [3, 5])
@pytest.mark.parametrize(
    "said",
    ["require_auth=scram-sha-256", "require_auth=!password,!md5", "channel_binding=require"],
)
def test_no_password_is_sent_by_a_method_that_is_forbidden(method: int, said: str) -> None:
    heard: list[bytes] = []
    with listener(listeners.asking(method, heard)) as port:
        cause_of(f"host=127.0.0.1 port={port} user=me password=hunter2 {said}")
    assert heard
    assert set(heard) == {b""}, heard


@pytest.mark.parametrize(
    ("said", "methods"),
    [
        ({}, {3, 5, 10}),
        ({"require_auth": "md5, scram-sha-256"}, {5, 10}),
        ({"require_auth": "none"}, set()),
        ({"require_auth": "gss,oauth"}, set()),
        ({"require_auth": "!password,!gss"}, {5, 10}),
        ({"channel_binding": "prefer"}, {3, 5, 10}),
        ({"channel_binding": "require"}, set()),
        ({"gssencmode": "require"}, set()),
    ],
)
def test_what_a_password_may_be_proved_by(said: dict[str, str], methods: set[int]) -> None:
    assert allowed_by(said) == methods


def test_encryption_by_kerberos_is_read_from_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGGSSENCMODE", "require")
    found = read_conninfo("host=127.0.0.1")
    assert found is not None
    assert found.values["gssencmode"] == "require"


def test_no_secret_of_a_log_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        'FATAL:  password authentication failed for user "me"\n'
        "LOG:  statement: ALTER ROLE me PASSWORD $$hunter1$$\n"
        "STATEMENT:  ALTER ROLE me PASSWORD\n\t'hunter2'\n"
        "명령 구문:  /* app */ select hunter3()\n"
        "DETAIL:  Parameters: $1 = 'hunter4', $2 = NULL\n"
        "ERROR:  syntax at password E'a\\'hunter5'\n"
        "DETAIL:  Failed process was running: SELECT crypt('hunter6')\n"
        "LOG:  database system is shut down\n"
    )
    server = LocalServer(label="a", data="a", port=1, running=False, log=str(log))
    lines = last_said(server)
    assert "hunter" not in str(lines), lines
    assert (lines[0][:6], lines[-1]) == ("FATAL:", "LOG:  database system is shut down")
    # The beginning of a long log is cut off, and with it that of its first entry.
    log.write_text(
        "STATEMENT:  ALTER ROLE me PASSWORD 'x" + "hunter1 " * 1100 + "\n\thunter2\nLOG:  end\n"
    )
    assert last_said(server) == ("LOG:  end",)


def test_no_secret_is_in_what_is_known() -> None:
    with listener(listeners.closing) as port:
        dsn = f"host=127.0.0.1 port={port} user=me password=hunter2 sslpassword=hunter3"
        facts, [finding] = looked_at(dsn)
    assert "hunter" not in f"{facts!r} {finding!r} {finding.document()}"
