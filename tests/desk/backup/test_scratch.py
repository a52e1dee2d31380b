"""The scratch server: real, private, and gone afterwards, whatever was killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentpg.db import Database, connect
from agentpg.desk.backup.programs import Programs, find_programs
from agentpg.desk.backup.scratch import (
    SERVER,
    ScratchOptions,
    ScratchServer,
    make_own_folder,
    remove_left_servers,
)
from agentpg.embedded.account import choose_account
from agentpg.embedded.binaries import find_binaries
from agentpg.embedded.postmaster import postmaster_pid
from agentpg.errors import FileNotWritten, ScratchNotStarted, ScratchTooSmall
from tests.servers import PG_BIN
from tests.waiting import eventually

pytestmark = pytest.mark.xdist_group("scratch")


@pytest.fixture(scope="module")
def programs() -> Programs:
    """Those of the version under test."""
    return find_programs(PG_BIN, find_binaries(PG_BIN).major, *SERVER)


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[Path]:
    """Where scratch servers are made; nothing runs there afterwards."""
    folder = tmp_path / "scratch"
    yield folder
    if folder.is_dir():
        remove_left_servers(folder)


def test_it_works_and_is_gone_afterwards(programs: Programs, parent: Path) -> None:
    with ScratchServer(programs, parent) as scratch:
        scratch.start()
        with connect(Database(scratch.dsn())) as connection:
            connection.execute("CREATE DATABASE other")
        with connect(Database(scratch.dsn("other"))) as connection:
            asked = "SELECT current_setting('fsync'), current_setting('listen_addresses')"
            assert connection.execute(asked).fetchone() == ("off", "")
            address = connection.execute("SELECT inet_server_addr()").fetchone()
            assert address == (None,)
            [(socket,)] = connection.execute("SHOW unix_socket_directories").fetchall()
        pid = postmaster_pid(scratch.data)
        assert pid is not None
        nice = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[16]
        assert int(nice) >= 10
        place = Path(socket.strip('"'))
        assert place.stat().st_mode & 0o777 == 0o700
    assert list(parent.iterdir()) == []
    assert not place.exists()
    assert not Path(f"/proc/{pid}/cwd").exists()  # one that nobody buried has none


def test_two_work_side_by_side(programs: Programs, parent: Path) -> None:
    with ScratchServer(programs, parent) as one, ScratchServer(programs, parent) as other:
        one.start()
        other.start()
        with connect(Database(one.dsn())) as first, connect(Database(other.dsn())) as second:
            identify = "SELECT system_identifier FROM pg_control_system()"
            assert first.execute(identify).fetchone() != second.execute(identify).fetchone()


_KILLED = """
import sys
from pathlib import Path
from agentpg.desk.backup.programs import Programs
from agentpg.desk.backup.scratch import ScratchServer
with ScratchServer(Programs(Path(sys.argv[1]), sys.argv[2]), Path(sys.argv[3])) as scratch:
    if sys.argv[4] == "started":
        scratch.start()
    print(scratch.folder, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("stage", ["made", "started"])
def test_what_a_killed_run_left_goes_with_the_next(
    programs: Programs, parent: Path, stage: str
) -> None:
    arguments = [str(programs.folder), programs.version, str(parent), stage]
    with subprocess.Popen(
        [sys.executable, "-c", _KILLED, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        left = Path(process.stdout.readline().strip())
        assert left.is_dir()
        # As long as its maker lives, it is not taken for one that was left.
        assert remove_left_servers(parent) == []
        pid = postmaster_pid(left / "data")
        assert (pid is not None) == (stage == "started")
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert left.is_dir()
    with ScratchServer(programs, parent) as scratch:
        assert [scratch.folder] == list(parent.iterdir())
        if pid is not None:
            eventually(lambda: not Path(f"/proc/{pid}/cwd").exists())


def test_too_little_room_is_said_before_anything_is_made(programs: Programs, parent: Path) -> None:
    options = ScratchOptions(content_bytes=1 << 60)
    with pytest.raises(ScratchTooSmall) as refused, ScratchServer(programs, parent, options):
        pass
    assert refused.value.exit_code == 6
    assert list(parent.iterdir()) == []


def test_a_setting_that_it_cannot_have_is_told(programs: Programs, parent: Path) -> None:
    options = ScratchOptions(settings={"shared_buffers": "many"})
    with (
        pytest.raises(ScratchNotStarted, match="shared_buffers"),
        ScratchServer(programs, parent, options) as scratch,
    ):
        scratch.start()
    assert list(parent.iterdir()) == []


def test_a_file_in_the_way_is_named(programs: Programs, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(FileNotWritten, match="file"),
        ScratchServer(programs, tmp_path / "file"),
    ):
        pass


@pytest.mark.without_server
def test_a_folder_that_others_have_made_first_is_not_taken(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    account = choose_account(tmp_path / "data")
    ours, open_to_all, elsewhere = (tmp_path / name for name in ("ours", "open", "link"))
    for _ in range(2):
        make_own_folder(ours, account)
    assert (ours.stat().st_uid, ours.stat().st_mode & 0o777) == (account.uid, 0o700)
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    elsewhere.symlink_to(ours)
    for folder in (open_to_all, elsewhere):
        with pytest.raises(FileExistsError):
            make_own_folder(folder, account)
