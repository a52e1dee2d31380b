"""Who runs the server, also where its home is closed to that account."""

from __future__ import annotations

import pwd
import stat
import subprocess
from pathlib import Path

import pytest

from agentpg.embedded import account
from agentpg.embedded.account import Account
from agentpg.embedded.binaries import binaries_for, find_binaries
from tests.embedded.probe import (
    as_root,
    ask,
    pid_of,
    run,
    starter,
)
from tests.servers import PG_BIN, OwnServers, SharedServer


def test_the_server_is_nobody_in_particular(shared_server: SharedServer) -> None:
    uid = Path(f"/proc/{pid_of(shared_server.server)}").stat().st_uid
    assert uid != 0
    assert uid == shared_server.server.status().data.stat().st_uid


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
