"""Backups in a bucket, sealed or not: made, verified, restored, and cut off midway."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentpg.db import Database, connect
from agentpg.desk.backup.storage.opening import open_repository
from agentpg.desk.backup.storage.repository import Repository
from agentpg.embedded.binaries import find_binaries
from agentpg.settings import load_settings
from tests.cable import Cable
from tests.cli.conftest import Call, Called, Running
from tests.servers import PG_BIN, SharedServer
from tests.storage import SECRET_KEY, Storage
from tests.waiting import eventually

pytestmark = [pytest.mark.one_server, pytest.mark.xdist_group("backup_storage")]

with_age = pytest.mark.skipif(
    shutil.which("age") is None, reason="the program age is not installed"
)


@pytest.fixture(scope="module")
def noise(shared_server: SharedServer) -> Iterator[Database]:
    """Some rows that do not compress: a dump of about 3 MB."""
    with shared_server.database() as made:
        with connect(made) as connection:
            connection.execute("CREATE TABLE noise (id int PRIMARY KEY, bytes bytea)")
            connection.execute(
                "INSERT INTO noise SELECT n, (SELECT string_agg(uuid_send(gen_random_uuid()), '')"
                " FROM generate_series(1, 100 + n * 0)) FROM generate_series(1, 1500) AS n"
            )
        yield made


@pytest.fixture
def filled(
    shared_server: SharedServer, noise: Database, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database]:
    """The test's own copy of it, which the calls use."""
    with shared_server.database(like=noise) as copy:
        monkeypatch.setenv("AGENTPG_DSN", copy.dsn)
        monkeypatch.setenv("AGENTPG_SCHEMA", copy.schema)
        yield copy


@pytest.fixture
def point(
    monkeypatch: pytest.MonkeyPatch, storage: Storage, bucket_name: str
) -> Callable[..., None]:
    """Call it to let the calls use the bucket, through a cable if one is given."""
    monkeypatch.setenv("AGENTPG_PG_BIN", PG_BIN)

    def pointing(cable: Cable | None = None, **options: object) -> None:
        port = cable.port if cable else 0
        for name, value in {**storage.options(bucket_name, port=port), **options}.items():
            monkeypatch.setenv(f"AGENTPG_{name.upper()}", str(value))

    return pointing


@pytest.fixture
def key_file(call: Call, point: Callable[..., None], tmp_path: Path) -> Path:
    """A key that was made by the command."""
    point()
    path = tmp_path / "backup.key"
    assert call("backup", "key", str(path)).code == 0
    return path


def _made(called: Called) -> str:
    assert called.code == 0, called.err
    return str(json.loads(called.out)["name"])


def _keys(repository: Repository, prefix: str = "") -> list[str]:
    return [stored.key for stored in repository.objects(prefix)]


def _outcomes(call: Call, name: str) -> tuple[int, dict[str, str]]:
    called = call("backup", "verify", name, "--json")
    found = json.loads(called.out)
    return called.code, {check["name"]: check["outcome"] for check in found["checks"]}


def _fetched(repository: Repository, name: str, target: Path) -> Path:
    """All files of a backup as they lie in the repository."""
    prefix = f"backups/{name}/"
    for key in _keys(repository, prefix):
        path = target / key.removeprefix(prefix)
        path.parent.mkdir(parents=True, exist_ok=True)
        repository.fetch(key, path)
    return target


def _restored(server: SharedServer, dump: Path, source: Database) -> bool:
    """Whether pg_restore alone brings all rows of the source back."""
    tool = find_binaries(PG_BIN).folder / "pg_restore"
    if not tool.exists():
        found = shutil.which("pg_restore")
        assert found is not None
        tool = Path(found)
    with server.database(empty=True) as target:
        subprocess.run(
            [tool, "--no-owner", "--no-privileges", f"--dbname={target.dsn}", dump],
            check=True,
            capture_output=True,
        )
        return _content(target, source.schema) == _content(source, source.schema)


def _content(database: Database, schema: str) -> object:
    query = f"SELECT count(*), md5(string_agg(n::text, '' ORDER BY id)) FROM {schema}.noise AS n"
    with connect(database) as connection:
        return connection.execute(query).fetchone()


def test_a_key_is_made_and_told(call: Call, home: Path, tmp_path: Path) -> None:
    path = tmp_path / "backup.key"
    called = call("backup", "key", str(path))
    assert called.code == 0
    assert f"export AGENTPG_BACKUP_KEY_FILE={path}" in called.out
    assert "Keep a copy" in called.err
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secret = path.read_text().splitlines()[2]
    assert secret not in called.out + called.err
    again = call("backup", "key", str(path))
    assert (again.code, "already" in again.err) == (1, True)
    inside = call("backup", "key", str(home / "backups" / "backup.key"))
    assert (inside.code, "inside the repository" in inside.err) == (4, True)
    document = json.loads(call("backup", "key", "--json", str(tmp_path / "second")).out)
    assert document["public_key"].startswith("age1")


def test_none_is_made_open_where_a_sealed_one_is_asked_for(
    call: Call, filled: Database, point: Callable[..., None], bucket_name: str
) -> None:
    point()
    called = call("backup", "create", "--encrypt")
    assert called.code == 4
    assert "agentpg backup key" in called.err
    assert _keys(open_repository(load_settings())) == []


def test_a_backup_in_a_bucket_is_made_verified_and_restored(
    call: Call,
    filled: Database,
    point: Callable[..., None],
    shared_server: SharedServer,
    tmp_path: Path,
) -> None:
    point()
    name = _made(call("backup", "create", "--json"))
    assert name in call("backup", "list").out
    code, outcomes = _outcomes(call, name)
    assert (code, set(outcomes.values())) == (0, {"passed"})
    files = _fetched(open_repository(load_settings()), name, tmp_path / "fetched")
    assert _restored(shared_server, files / "data", filled)
    assert not any((tmp_path / "home").rglob("toc.dat"))


@with_age
def test_a_sealed_backup_is_opened_by_the_program_alone(
    call: Call,
    filled: Database,
    point: Callable[..., None],
    key_file: Path,
    shared_server: SharedServer,
    tmp_path: Path,
) -> None:
    point(backup_key_file=key_file)
    name = _made(call("backup", "create", "--json", "--encrypt"))
    files = _fetched(open_repository(load_settings()), name, tmp_path / "fetched")
    sealed = sorted((files / "data").iterdir())
    assert len(sealed) > 1
    for path in sealed:
        assert path.read_bytes().startswith(b"age-encryption.org/v1\n")
        subprocess.run(["age", "-d", "-i", key_file, "-o", path.with_suffix(""), path], check=True)
        path.unlink()
    assert _restored(shared_server, files / "data", filled)


def test_a_sealed_backup_is_verified_with_its_key_and_not_without(
    call: Call,
    filled: Database,
    point: Callable[..., None],
    key_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    point(backup_key_file=key_file)
    name = _made(call("backup", "create", "--json"))
    public = key_file.read_text().splitlines()[1].split()[-1]
    assert public in call("backup", "show", name).out.replace("\n", "")
    code, outcomes = _outcomes(call, name)
    assert (code, set(outcomes.values())) == (0, {"passed"})

    monkeypatch.delenv("AGENTPG_BACKUP_KEY_FILE")
    code, outcomes = _outcomes(call, name)
    assert (code, outcomes["files"]) == (6, "passed")
    assert set(outcomes.values()) == {"passed", "unknown"}

    call("backup", "key", str(tmp_path / "other.key"))
    monkeypatch.setenv("AGENTPG_BACKUP_KEY_FILE", str(tmp_path / "other.key"))
    code, outcomes = _outcomes(call, name)
    assert (code, outcomes["files"], "failed" in outcomes.values()) == (6, "passed", False)


def test_a_passphrase_seals_and_verifies(
    call: Call,
    filled: Database,
    point: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    point(backup_passphrase="correct horse battery staple")
    name = _made(call("backup", "create", "--json", "--kind", "sql"))
    assert f"backups/{name}/key.age" in _keys(open_repository(load_settings()))
    name = _made(call("backup", "create", "--json"))
    assert f"backups/{name}/key.age" in _keys(open_repository(load_settings()))
    assert _outcomes(call, name)[0] == 0
    monkeypatch.setenv("AGENTPG_BACKUP_PASSPHRASE", "wrong")
    code, outcomes = _outcomes(call, name)
    assert (code, outcomes["files"]) == (6, "passed")


def test_a_flipped_bit_in_a_bucket_is_named(
    call: Call, filled: Database, point: Callable[..., None], key_file: Path, tmp_path: Path
) -> None:
    point(backup_key_file=key_file)
    name = _made(call("backup", "create", "--json"))
    repository = open_repository(load_settings())
    key = f"backups/{name}/data/toc.dat.age"
    content = bytearray(repository.read(key))
    content[-1] ^= 1
    repository.write(key, bytes(content))
    called = call("backup", "verify", name)
    assert called.code == 1
    assert "toc.dat.age" in called.out


def test_a_storage_that_is_cut_off_midway_leaves_no_backup(
    call: Call, filled: Database, point: Callable[..., None], cable: Cable
) -> None:
    point()
    kept = _made(call("backup", "create", "--json"))
    point(cable, backup_s3_attempts=2)
    cable.cut_after, cable.cuts = 500_000, 1000
    called = call("backup", "create")
    assert cable.cut > 0
    assert called.code == 3, called.err
    assert "is not available" in called.err
    assert SECRET_KEY not in called.out + called.err
    cable.cuts = 0
    assert [one["name"] for one in json.loads(call("backup", "list", "--json").out)] == [kept]
    point()
    second = _made(call("backup", "create", "--json"))
    names = {key.split("/")[1] for key in _keys(open_repository(load_settings()), "backups/")}
    assert names == {kept, second}


def test_a_storage_that_refuses_is_told_with_exit_code_3(
    call: Call, filled: Database, point: Callable[..., None], cable: Cable
) -> None:
    point(cable)
    cable.pull()
    for command in ("create", "list", "verify"):
        called = call("backup", command)
        assert called.code == 3, command
        assert "Could not connect" in called.err
        assert SECRET_KEY not in called.out + called.err


def test_a_slow_storage_gets_its_backup_all_the_same(
    call: Call, filled: Database, point: Callable[..., None], cable: Cable
) -> None:
    point(cable)
    cable.bytes_per_second = 1_000_000
    name = _made(call("backup", "create", "--json"))
    cable.bytes_per_second = None
    assert _outcomes(call, name)[0] == 0


def test_a_killed_backup_leaves_nothing_and_the_next_cleans_up(
    call: Call,
    launch: Callable[..., Running],
    filled: Database,
    point: Callable[..., None],
    cable: Cable,
    home: Path,
) -> None:
    point(cable)
    cable.bytes_per_second = 200_000
    running = launch("backup", "create")
    eventually(lambda: cable.passed > 300_000 or running.process.poll() is not None)
    running.tell(signal.SIGKILL)
    assert running.ends() == -signal.SIGKILL, running.text
    point()
    repository = open_repository(load_settings())
    left = _keys(repository, "backups/")
    assert left
    assert not any(key.endswith("/backup.json") for key in left)
    assert json.loads(call("backup", "list", "--json").out) == []
    name = _made(call("backup", "create", "--json"))
    assert {key.split("/")[1] for key in _keys(repository, "backups/")} == {name}
    assert list((home / "stages").iterdir()) == []
    assert _outcomes(call, name)[0] == 0


def test_a_killed_verification_leaves_nothing_for_long(
    call: Call,
    launch: Callable[..., Running],
    filled: Database,
    point: Callable[..., None],
    cable: Cable,
    home: Path,
) -> None:
    point()
    name = _made(call("backup", "create", "--json", "--kind", "sql"))
    point(cable)
    cable.bytes_per_second = 200_000
    running = launch("backup", "verify")
    scratch = home / "scratch"
    eventually(lambda: [*scratch.glob("*/near/*")] or running.process.poll() is not None)
    running.tell(signal.SIGKILL)
    assert running.ends() == -signal.SIGKILL, running.text
    [left] = scratch.glob("*/near")
    assert left.stat().st_mode & 0o077 == 0
    point()
    assert _outcomes(call, name)[0] == 0
    assert list(scratch.iterdir()) == []


@pytest.fixture
def as_superuser(
    filled: Database, superuser_dsn: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> Database:
    """The calls act as a role that may create databases."""
    with connect(filled) as connection:
        [(name,)] = connection.execute("SELECT current_database()").fetchall()
    monkeypatch.setenv("AGENTPG_DSN", superuser_dsn(name))
    return filled


def test_a_sealed_backup_in_a_bucket_is_drilled_and_restored(
    call: Call,
    as_superuser: Database,
    point: Callable[..., None],
    key_file: Path,
    superuser_dsn: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    point(backup_key_file=key_file)
    name = _made(call("backup", "create", "--json", "--encrypt"))
    drilled = call("backup", "drill", "--json", "--fast")
    found = json.loads(drilled.out)
    assert {check["outcome"] for check in found["checks"]} == {"passed"}, found
    assert drilled.code == 0
    listed = json.loads(call("backup", "list", "--json").out)
    assert [one["last_drill"]["outcome"] for one in listed] == ["passed"]

    into = f"again_{name[:8]}_{os.getpid()}"
    restored = call("backup", "restore", name, "--into", into, "--yes")
    assert restored.code == 0, restored.err
    try:
        again = Database(superuser_dsn(into), as_superuser.schema)
        assert _content(again, again.schema) == _content(as_superuser, as_superuser.schema)
    finally:
        with connect(Database(superuser_dsn("postgres"))) as connection:
            connection.autocommit = True
            connection.execute(f"DROP DATABASE {into} WITH (FORCE)")

    # Without a key nothing is restored, and the drill does not know.
    monkeypatch.delenv("AGENTPG_BACKUP_KEY_FILE")
    drilled = call("backup", "drill", "--json", "--fast")
    assert drilled.code == 6
    refused = call("backup", "restore", name, "--into", into, "--yes")
    assert refused.code == 6
    assert "no secret key is configured" in refused.err


def test_a_storage_that_is_cut_during_a_restore_is_read_on(
    call: Call,
    as_superuser: Database,
    point: Callable[..., None],
    cable: Cable,
    superuser_dsn: Callable[..., str],
) -> None:
    point()
    _made(call("backup", "create", "--json"))
    point(cable)
    cable.downwards, cable.cut_after, cable.cuts = True, 400_000, 3
    drilled = call("backup", "drill", "--json", "--fast")
    assert cable.cut > 0
    assert drilled.code == 0, drilled.out
    cable.cuts = 1000
    point(cable, backup_s3_attempts=2)
    cut = call("backup", "restore", "--into", f"never_{os.getpid()}", "--yes")
    assert cut.code == 3, cut.err
    with connect(Database(superuser_dsn("postgres"))) as connection:
        names = [name for (name,) in connection.execute("SELECT datname FROM pg_database")]
    assert not any(str(os.getpid()) in name for name in names)
