"""`agentpg backup archive`, `mark` and `recover`, as an operator calls them."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from agentpg.cli.running import run
from agentpg.db import Database, connect
from agentpg.desk.backup.restore.unfinished import PUT_BACK
from agentpg.embedded import EmbeddedServer
from agentpg.embedded.postmaster import postmaster_pid, stop_postmaster
from tests.cli.apps import write_greeter
from tests.cli.conftest import Call, Called, Running
from tests.servers import PG_BIN, Reaper, remove_server
from tests.waiting import eventually

pytestmark = [pytest.mark.one_server, pytest.mark.xdist_group("backup_recover")]

_HELD = "task list --held"

# Holding tasks takes longer than the process lives that does it.
_SLOW_HOLDING = """
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN RAISE LOG 'they are being held'; PERFORM pg_sleep(600); RETURN NULL; END$$;
CREATE TRIGGER wait BEFORE UPDATE ON tasks FOR EACH STATEMENT EXECUTE FUNCTION wait();
ALTER TABLE tasks ENABLE ALWAYS TRIGGER wait;
"""


@pytest.fixture
def server_home(home: Path, reaper: Reaper, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder `home` whose server is removed afterwards."""
    monkeypatch.setenv("AGENTPG_PG_BIN", PG_BIN)
    # The server's account passes through to the repository.
    home.parent.chmod(0o711)
    reaper.watch(home)
    yield home
    remove_server(home)


@pytest.fixture(scope="module")
def made(reaper: Reaper, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose server archives its WAL, with a base backup and a task; it is stopped.

    Its archive knows the path `home` beside it, to which it is copied.
    """
    place = tmp_path_factory.mktemp("archived")
    for above in (place, place.parent):
        above.chmod(0o711)
    home = place / "home"
    for folder in (home, place / "beside"):
        reaper.watch(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGENTPG_HOME", str(home))
        patch.setenv("AGENTPG_PG_BIN", PG_BIN)
        for words in (
            ("server", "start"),
            ("schema", "migrate"),
            ("backup", "archive", "on", "--restart"),
            ("task", "submit", "Greeter", "greet", '{"name": "Kim"}'),
            ("backup", "create", "--kind", "base"),
            ("server", "stop"),
        ):
            assert run(list(words)) == 0
    return home.rename(place / "made")


@pytest.fixture
def archived(made: Path, call: Call, well: Well, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The home of a private server that archives its WAL, with a base backup and a task."""
    home = made.with_name("home")
    subprocess.run(["cp", "-a", made, home], check=True)
    monkeypatch.setenv("AGENTPG_HOME", str(home))
    monkeypatch.setenv("AGENTPG_PG_BIN", PG_BIN)
    well("server", "start")
    yield home
    for folder in (home, home.with_name("beside")):
        remove_server(folder)


class Well:
    """Calls that must go well."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def __call__(self, *arguments: str) -> Called:
        called = self._call(*arguments)
        assert called.code == 0, called.err
        return called


@pytest.fixture
def well(call: Call) -> Well:
    """Call it as `call`, where nothing may go wrong."""
    return Well(call)


def _states(well: Well, *options: str) -> list[str | None]:
    tasks = json.loads(well(*options, "task", "list", "--json").out)
    return [task["held_reason"] for task in tasks]


def test_archiving_is_turned_on_looked_at_and_turned_off(
    call: Call, well: Well, server_home: Path
) -> None:
    well("server", "start")
    # Its role may not ask the server, but where our own has its data is known.
    doctor = json.loads(call("doctor", "backup", "--json").out)
    assert [one["level"] for one in doctor["rooms"]["backup"] if one["code"] == "B15"] == ["info"]
    assert call("backup", "archive", "status").code == 5
    told = well("backup", "archive", "on", "--at-least-every", "5min")
    assert "agentpg server stop && agentpg server start" in told.err
    waiting = call("backup", "archive", "status")
    assert (waiting.code, "waits for a restart" in waiting.err) == (5, True)

    done = well("backup", "archive", "on", "--at-least-every", "5min", "--restart")
    assert str(server_home / "backups") in done.out
    found = json.loads(well("backup", "archive", "status", "--json").out)
    assert (found["gaps"], found["archiver"]["mode"]) == ([], "on")
    assert found["archiver"]["timeout_seconds"] == 300
    shown = well("backup", "archive", "status").out
    assert "last file" in shown

    wal = set((server_home / "backups" / "wal").rglob("0*"))
    assert wal
    off = well("backup", "archive", "off", "--restart")
    assert "WAL is not archived any more." in off.out
    assert call("backup", "archive", "status").code == 5
    assert wal <= set((server_home / "backups" / "wal").rglob("0*"))


def test_a_file_that_is_missing_in_between_is_found(call: Call, well: Well, archived: Path) -> None:
    for number in range(3):
        well("backup", "mark", f"mark-{number}")
        well("backup", "archive", "on")
    files = sorted(
        path for path in (archived / "backups" / "wal").rglob("0*") if len(path.stem[:24]) == 24
    )
    files[-2].unlink()
    called = call("backup", "archive", "status")
    assert called.code == 5
    assert files[-2].name[:24] in called.out


def test_a_cluster_is_recovered_beside_and_its_workers_run_nothing_old(
    well: Well, archived: Path, launch: Callable[..., Running]
) -> None:
    well("task", "submit", "Greeter", "greet", '{"name": "Lee"}')
    assert "position" in well("backup", "mark", "two-tasks").out
    well("task", "submit", "Greeter", "greet", '{"name": "Choi"}')
    beside = archived.parent / "beside"
    shown = well("backup", "recover", "--to-name", "two-tasks", "--into", str(beside))
    for said in ("two-tasks", "held until", _HELD, f"agentpg --home {beside} server start"):
        assert said in shown.out
    well("--home", str(beside), "server", "start")
    name = json.loads(well("backup", "list", "--json").out)[0]["name"]
    reason = f"recovered from the backup {name} to two-tasks"
    assert _states(well, "--home", str(beside)) == [reason, reason]
    assert _states(well) == [None, None, None]

    launch("--home", str(beside), "worker", "--app", write_greeter()).says("started, with")
    new = ("task", "submit", "Greeter", "greet", '{"name": "Jung"}', "--wait")
    well("--home", str(beside), *new)
    assert _states(well, "--home", str(beside)).count(reason) == 2


def test_a_cluster_takes_the_place_of_the_present_one_and_gives_it_back(
    call: Call, well: Well, archived: Path
) -> None:
    well("task", "submit", "Greeter", "greet", '{"name": "Lee"}')
    beside = archived.parent / "beside"
    asked = ("backup", "recover", "--replace", "--into", str(beside))
    refused = call(*asked)
    assert (refused.code, "--yes" in refused.err) == (2, True)
    assert not beside.exists()
    done = well(*asked, "--yes")
    assert f"agentpg backup recover --undo {beside}" in done.err
    [reason] = _states(well)
    assert reason is not None

    # What ran in the one is not run again in the other.
    undone = well("backup", "recover", "--undo", str(beside), "--yes")
    assert _HELD in undone.out
    assert _states(well) == [PUT_BACK, PUT_BACK]
    well("backup", "recover", "--undo", str(beside), "--yes")
    assert _states(well) == [reason]


def test_a_recovery_that_is_killed_before_its_tasks_are_held_starts_nowhere(
    call_process: Call, well: Well, archived: Path, launch: Callable[..., Running]
) -> None:
    with connect(Database(EmbeddedServer(archived, PG_BIN).dsn())) as connection:
        connection.execute(_SLOW_HOLDING.encode())
    beside = archived.parent / "beside"
    recovery = launch("backup", "recover", "--to-latest", "--into", str(beside))
    log = beside / "recovery.log"
    eventually(lambda: log.exists() and "they are being held" in log.read_text())
    recovery.tell(signal.SIGKILL)
    recovery.ends()
    try:
        for command in ("server", "start"), ("up",):
            called = call_process("--home", str(beside), *command)
            assert (called.code, str(beside) in called.err) == (4, True), called
    finally:
        pid = postmaster_pid(beside / "postgresql" / "data.recovering")
        assert pid is not None
        stop_postmaster(pid, "immediate", timedelta(seconds=30))


def test_a_kept_task_runs_again_where_that_is_said(
    well: Well, archived: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its key lies beside the files, and is none of them.
    monkeypatch.setenv("AGENTPG_BACKUP_PASSPHRASE", "correct horse battery staple")
    well("backup", "create", "--kind", "base")
    beside = archived.parent / "beside"
    made = well("backup", "recover", "--unfinished", "keep", "--into", str(beside), "--json")
    assert json.loads(made.out)["unfinished"] is None
    well("--home", str(beside), "server", "start")
    assert _states(well, "--home", str(beside)) == [None]


def test_mistakes_are_told_and_change_nothing(
    call: Call, well: Well, archived: Path, tmp_path: Path
) -> None:
    well("backup", "mark", "here")
    dump = json.loads(well("backup", "create", "--json").out)["name"]
    before = sorted(path.name for path in archived.iterdir())
    for code, said, arguments in [
        (2, "one target", ("recover", "--to-latest", "--to-name", "here")),
        (2, "--timeline goes with", ("recover", "--timeline", "9")),
        (2, "a position in the WAL", ("recover", "--to-lsn", "nowhere")),
        (4, "cannot be recovered to", ("recover", "--to-time", "2020-01-01T00:00:00Z")),
        (1, "no mark nowhere", ("recover", "--to-name", "nowhere")),
        (2, "no base backup", ("recover", dump)),
        (2, "--tablespace", ("recover", "--tablespace", "/old")),
        (4, str(tmp_path), ("recover", "--into", str(tmp_path))),
        (4, "here already", ("mark", "here")),
        (2, "a b", ("mark", "a b")),
        (2, "never", ("archive", "on", "--at-least-every", "never")),
    ]:
        called = call("backup", *arguments)
        assert (called.code, said in called.err) == (code, True), (arguments, called)
    assert sorted(path.name for path in archived.iterdir()) == before


def test_the_wrong_folder_leaves_the_server_running(
    call: Call, well: Well, archived: Path, tmp_path: Path
) -> None:
    called = call("backup", "recover", "--undo", str(tmp_path / "nowhere"), "--yes")
    assert (called.code, str(tmp_path / "nowhere") in called.err) == (2, True)
    well("server", "status")
    beside = archived.parent / "beside"
    well("backup", "recover", "--into", str(beside))
    well("--home", str(beside), "server", "start")
    called = call("backup", "recover", "--undo", str(beside), "--yes")
    assert (called.code, "still runs" in called.err) == (4, True)
    well("server", "status")
    latest = ("backup", "recover", "--to-latest", "--replace", "--yes")
    called = call(*latest, "--into", str(beside))
    assert (called.code, str(beside) in called.err) == (4, True)
    well("server", "status")
    assert call("backup", "recover", "--undo", str(archived), "--yes").code == 4
    # One that does not start gives the place back.
    well("--home", str(beside), "server", "stop")
    with (beside / "postgresql/data/postgresql.auto.conf").open("a") as settings:
        settings.write("nonsense\n")
    assert call("backup", "recover", "--undo", str(beside), "--yes").code == 1
    well("server", "status")
    assert _states(well) == [None]
    well("backup", "mark", "goes-on")
    assert json.loads(well("backup", "archive", "status", "--json").out)["archiver"]["mode"] == "on"


def test_a_database_that_is_configured_is_not_replaced(
    call: Call, installed: Database, home: Path
) -> None:
    called = call("backup", "recover", "--replace", "--yes")
    assert (called.code, "private server" in called.err) == (2, True)


def test_without_a_server_or_a_backup(call: Call, home: Path) -> None:
    for arguments in (("mark", "here"), ("archive", "on"), ("archive", "status")):
        assert call("backup", *arguments).code == 2
    called = call("backup", "recover")
    assert (called.code, str(home / "backups") in called.err) == (1, True)
