"""What the first start makes, and that it is closed to strangers."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from agentpg.db import Database, connect
from agentpg.errors import (
    FolderNotMade,
    LoginRefused,
)
from tests.embedded.probe import (
    STARTER,
    as_root,
    ask,
    home_of,
    passwords,
    port_of,
    starter,
)
from tests.servers import OwnServers, SharedServer
from tests.waiting import eventually


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


def test_passwords_are_in_one_closed_file(shared_server: SharedServer) -> None:
    home = home_of(shared_server.server)
    assert stat.S_IMODE((home / "pgpass").stat().st_mode) == 0o600
    # Other tests of the same server make logins of their own.
    secrets = {role: passwords(home)[role] for role in ("postgres", "admin")}
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

    def only_the_data_is_left() -> bool:
        server.start()
        return [path.name for path in root.glob("data*")] == ["data"]

    eventually(only_the_data_is_left)


def test_a_long_path_has_a_short_socket(own_server: OwnServers, tmp_path: Path) -> None:
    server = own_server(home=tmp_path / ("long" * 30) / ("path" * 30))
    status = server.start()
    assert len(str(status.data)) > 240
    assert len(f"{status.socket_dir}/.s.PGSQL.{status.port}") < 107
    assert (status.socket_dir / f".s.PGSQL.{status.port}").is_socket()
    server.stop()
    assert not status.socket_dir.exists()
