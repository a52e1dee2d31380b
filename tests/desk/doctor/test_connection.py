"""Why a connection fails: each cause is made on a real server, and named first."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from agentpg.desk.doctor.connection.steps import steps_of
from agentpg.embedded import EmbeddedServer
from agentpg.errors import AgentpgError
from tests.desk.doctor import listeners
from tests.desk.doctor.faulty import Faulty, becomes, cause_of, looked_at
from tests.desk.doctor.listeners import listener
from tests.servers import OwnServers
from tests.waiting import eventually

pytestmark = pytest.mark.xdist_group("connection")


@pytest.mark.parametrize("user", ["trusted", "modern", "old", "plain"])
def test_one_comes_in_by_every_kind_of_password(faulty: Faulty, user: str) -> None:
    facts, [finding] = looked_at(faulty.dsn(user=user, password="right ½"))
    assert (finding.code, finding.level) == ("C00", "ok"), finding
    assert facts.visits[0].is_in


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("C22", {"user": "nowhere"}),
        ("C22", {"user": "nowhere", "replication": "true"}),
        ("C23", {"user": "rejected"}),
        ("C24", {"user": "modern", "password": "wrong"}),
        ("C24", {"user": "old", "password": "wrong"}),
        ("C24", {"user": "plain", "password": "wrong"}),
        ("C25", {"user": "modern"}),
        ("C27", {"user": "missing"}),
        ("C27", {"user": "barred"}),
        ("C28", {"dbname": "no such database"}),
        ("C29", {"dbname": "closed"}),
        ("C30", {"dbname": "private"}),
        ("C32", {"user": "limited"}),
        ("C33", {"dbname": "narrow"}),
        ("C14", {"sslmode": "require"}),
        ("C38", {"target_session_attrs": "standby"}),
        ("C39", {"user": "modern", "password": "right ½", "channel_binding": "require"}),
    ],
)
def test_a_login_that_is_refused_has_its_own_cause(
    faulty: Faulty, code: str, said: dict[str, str]
) -> None:
    finding = cause_of(faulty.dsn(**said))
    assert (finding.code, finding.level) == (code, "critical"), finding
    assert finding.remedies
    assert finding.cause


def test_the_line_of_pg_hba_is_named(faulty: Faulty) -> None:
    rejected = cause_of(faulty.dsn(user="rejected"))
    assert rejected.evidence["line"] == 4
    assert rejected.evidence["text"] == "host all rejected 127.0.0.1/32 reject"
    assert "line 4 of " in rejected.message()
    nowhere = cause_of(faulty.dsn(user="nowhere"))
    wanted = "host agentic_ai nowhere 127.0.0.1/32 scram-sha-256"
    assert wanted in nowhere.remedies[0].command
    assert str(faulty.data / "pg_hba.conf") in nowhere.remedies[0].command


def test_a_line_that_only_the_server_can_judge_is_named_before_one_not_loaded(
    faulty: Faulty,
) -> None:
    finding = cause_of(faulty.dsn(user="outcast"))
    assert (finding.code, finding.evidence["line"]) == ("C23", 8), finding
    assert "only the server knows" in finding.reason()


def test_a_line_for_replication_is_proposed(faulty: Faulty) -> None:
    finding = cause_of(faulty.dsn(user="trusted", replication="on"))
    assert finding.code == "C22"
    assert "host replication trusted 127.0.0.1/32" in finding.remedies[0].command


def test_what_only_the_driver_gets_through_is_no_fault(faulty: Faulty) -> None:
    with listener(listeners.hiccuping(faulty.port)) as port:
        facts, [finding, *_] = looked_at(faulty.dsn(port=port))
    assert facts.visits[0].unanswered
    assert finding.code == "C00", finding
    assert "stopped" not in [step.state for step in steps_of(facts)]


def test_a_line_that_is_not_loaded_is_told_from_one_that_is_missing(faulty: Faulty) -> None:
    file = faulty.data / "pg_hba.conf"
    before = file.read_text()
    file.write_text(f"{before}host all nowhere 127.0.0.1/32 trust\n")
    try:
        finding = cause_of(faulty.dsn(user="nowhere"))
    finally:
        file.write_text(before)
    assert finding.code == "C22"
    assert "read it again" in finding.reason()


def test_the_server_s_log_is_shown_for_a_password_that_is_refused(faulty: Faulty) -> None:
    finding = cause_of(faulty.dsn(user="modern", password="wrong"))
    assert any("line 5" in line for line in finding.evidence["log"]), finding.evidence


def test_a_password_file_that_others_may_read_is_the_cause(
    faulty: Faulty, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "passwords"
    file.write_text("*:*:*:modern:right ½\n")
    file.chmod(0o644)
    dsn = faulty.dsn(user="modern", passfile=str(file))
    finding = cause_of(dsn)
    assert finding.code == "C25"
    assert "mode 0644" in finding.reason()
    assert finding.remedies[0].command == f"chmod 600 {file}"
    file.chmod(0o600)
    assert cause_of(dsn).code == "C00"
    assert capfd.readouterr().err == "", "libpq's own warning is not shown beside ours"


def test_another_account_is_not_the_role(faulty: Faulty) -> None:
    finding = cause_of(faulty.dsn(host=faulty.socket_dir))
    assert finding.code == "C26"
    assert finding.evidence["method"] == "peer"


def test_the_folder_of_the_socket_is_found(faulty: Faulty, tmp_path: Path) -> None:
    finding = cause_of(faulty.dsn(host=str(tmp_path)))
    assert finding.code == "C10"
    assert finding.evidence["found"] == faulty.socket_dir
    assert f"host={faulty.socket_dir}" in finding.remedies[0].command


def test_the_server_at_another_port_is_found(faulty: Faulty, free_port: int) -> None:
    finding = cause_of(faulty.dsn(port=free_port))
    assert (finding.code, finding.evidence["ports"].count(faulty.port)) == ("C05", 1)


def test_no_connection_is_left(faulty: Faulty) -> None:
    with ExitStack() as stack:
        with suppress(psycopg.OperationalError):
            for _ in range(12):
                stack.enter_context(psycopg.connect(faulty.dsn()))
        finding = cause_of(faulty.dsn())
    assert (finding.code, finding.evidence["sqlstate"]) == ("C31", "53300")
    assert "SHOW max_connections" in [one.sql for one in finding.remedies]
    becomes("C00", faulty.dsn())


def test_a_server_that_hangs_stops_and_is_gone(own_server: OwnServers, tmp_path: Path) -> None:
    server = own_server()
    pid = server.start().pid
    assert pid is not None
    dsn, home = server.dsn(), tmp_path / "server-0"
    os.kill(pid, signal.SIGSTOP)
    try:
        assert cause_of(dsn, home).code == "C11"
    finally:
        # The driver's connection, which ran out of time, is not held open.
        gc.collect()
        os.kill(pid, signal.SIGCONT)
    with psycopg.connect(dsn):
        os.kill(pid, signal.SIGTERM)
        becomes("C35", dsn, home)
    eventually(lambda: not server.status().running)
    finding = cause_of(dsn, home)
    assert finding.code == "C04"
    assert finding.remedies[0].command == "agentpg server start"
    assert "is stopped" in finding.message()
    assert any("shut down" in line for line in finding.evidence["log"])
    port = server.status().port
    assert port is not None
    with listener(listeners.rejecting, port):
        other = cause_of(f"host=127.0.0.1 port={port} user=me", home)
    assert other.code == "C22"
    assert str(server.status().data) not in other.remedies[0].command, "it is another's file"
    assert "log" not in other.evidence


@pytest.mark.parametrize(
    ("code", "signal_file", "options"),
    [
        ("C34", "recovery.signal", {"restore_command": "sleep 60"}),
        ("C36", "standby.signal", {"hot_standby": "off", "restore_command": "false"}),
    ],
)
def test_a_server_that_does_not_let_in_yet(
    own_server: OwnServers, code: str, signal_file: str, options: dict[str, str]
) -> None:
    server = own_server(options=options)
    data = server.status().data
    (data / signal_file).touch()
    with _starting(server):
        port = eventually(lambda: _port_of(server))
        becomes(code, f"host=127.0.0.1 port={port} user=admin dbname=agentic_ai")


def _port_of(server: EmbeddedServer) -> int | None:
    status = server.status()
    return status.port if status.running else None


@contextmanager
def _starting(server: EmbeddedServer) -> Iterator[None]:
    """While it starts; it is ended, since it never gets there."""

    def start() -> None:
        with suppress(AgentpgError):
            server.start()

    thread = threading.Thread(target=start)
    thread.start()
    try:
        yield
    finally:
        server.stop("immediate")
        thread.join()
