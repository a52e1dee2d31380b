"""Measures what is lost with a server, and how long it takes until it answers again.

python -m benchmarks.recovery            30 seconds of commits after the backups, 200 MB beside
python -m benchmarks.recovery --quick    8 seconds, 20 MB

Writers commit and write down what was acknowledged. Then every process of the server is killed,
its data folder is removed, and each kind of backup gives back what it has. RPO: what was
acknowledged and is missing, in commits, and the age of the oldest of them. RTO: from the first
read of the repository to a database that answers.

That is done twice, since a server archives its WAL in one way only: for dump, sql and base, and for
pgBackRest, where that is installed, on a version of PostgreSQL that it knows.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from agentpg.db import Database, connect
from agentpg.desk.backup.creating import CreateOptions, create_backup
from agentpg.desk.backup.drilling import DrillOptions, run_drill
from agentpg.desk.backup.model import Backup, Kind
from agentpg.desk.backup.pgbackrest.stanza import find_program, require_known
from agentpg.desk.backup.programs import find_programs
from agentpg.desk.backup.recovery.archiving import prove_archiving, turn_on
from agentpg.desk.backup.recovery.homes import HomeWork, recover_home
from agentpg.desk.backup.recovery.targets import Target
from agentpg.desk.backup.scratch import SERVER
from agentpg.desk.backup.storage.folder import Folder, open_folder
from agentpg.desk.backup.storage.reading import opener_of
from agentpg.embedded import EmbeddedServer
from agentpg.embedded.binaries import find_binaries
from agentpg.errors import BackupError, PgbackrestTooOld, Refused
from agentpg.schema import migrate

_PG_BIN = os.environ.get("AGENTPG_PG_BIN", "")
_WRITERS = 2
_AT_LEAST_EVERY = timedelta(seconds=5)
# What every pgBackRest since 2.41 knows, Debian's too.
_KNOWN = 15


@dataclass(frozen=True, slots=True)
class Line:
    """One acknowledged commit: whose, which, and when it was acknowledged."""

    writer: int
    number: int
    at: float


@dataclass(frozen=True, slots=True)
class Result:
    """What one kind gave back."""

    kind: str
    lost: int
    oldest_seconds: float
    restore_seconds: float
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Scene:
    """A server that was killed, its backups by kind, and what it had acknowledged until then."""

    place: Path
    pg_bin: str
    repository: Folder
    backups: Mapping[Kind, Backup]
    lines: list[Line]
    ended: float

    @property
    def wal(self) -> Path:
        """What the server had no time to archive, where its disk is still there."""
        return EmbeddedServer(self.place / "home", self.pg_bin).status().data / "pg_wal"


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    place = Path(tempfile.mkdtemp(prefix="agentpg-recovery-"))
    place.chmod(0o711)
    seconds, megabytes = (8.0, 20) if quick else (30.0, 200)
    try:
        scene = _play(place / "ours", _PG_BIN, ("dump", "sql", "base"), seconds, megabytes)
        results = [_of_dump(scene, "dump"), _of_dump(scene, "sql"), *_of_cluster(scene, "base")]
        shutil.rmtree(scene.place)
        try:
            pg_bin = _known_to_pgbackrest()
        except (BackupError, Refused) as error:
            skipped = f"pgbackrest is left out: {error}"
        else:
            scene = _play(place / "others", pg_bin, ("pgbackrest",), seconds, megabytes)
            results += _of_cluster(scene, "pgbackrest")
            skipped = ""
    finally:
        shutil.rmtree(place, ignore_errors=True)
    _show(results)
    if skipped:
        Console().print(skipped)


def _known_to_pgbackrest() -> str:
    """The programs of a server that pgBackRest knows: ours, or those of PostgreSQL 15.

    Raises PgbackrestMissing, PgbackrestTooOld, and ProgramsMissing where there are none of 15.
    """
    _, version = find_program()
    try:
        require_known(version, find_binaries(_PG_BIN).major)
    except PgbackrestTooOld:
        programs = find_programs(_PG_BIN, _KNOWN, *SERVER)
        require_known(version, programs.major)
        return str(programs.folder)
    return _PG_BIN


def _play(
    place: Path, pg_bin: str, kinds: tuple[Kind, ...], seconds: float, megabytes: int
) -> Scene:
    place.mkdir(mode=0o711)
    server = EmbeddedServer(place / "home", pg_bin)
    server.start()
    database = Database(server.dsn("postgres"))
    migrate(Database(server.dsn()))
    repository = open_folder(place / "repository")
    _fill(database, megabytes)
    _archive(server, repository, pgbackrest="pgbackrest" in kinds)
    backups = {kind: _back_up(server, repository, place, pg_bin, kind) for kind in kinds}
    writers, files = _start_writers(server, place)
    time.sleep(seconds)
    _kill(server)
    ended = time.time()
    for writer in writers:
        writer.kill()
        writer.wait()
    lines = [line for number, file in enumerate(files) for line in _read(number, file)]
    return Scene(place, pg_bin, repository, backups, lines, ended)


def _fill(database: Database, megabytes: int) -> None:
    with connect(database) as connection:
        connection.execute("CREATE TABLE ledger (writer int, number int)")
        connection.execute("CREATE TABLE bulk (id bigint PRIMARY KEY, text text)")
        connection.execute(
            "INSERT INTO bulk SELECT n, repeat(md5(n::text), 30) FROM generate_series(1, %s) AS n",
            [megabytes * 1000],
        )


def _archive(server: EmbeddedServer, repository: Folder, *, pgbackrest: bool) -> None:
    with connect(Database(server.dsn("postgres"))) as connection:
        turn_on(connection, repository, at_least_every=_AT_LEAST_EVERY, pgbackrest=pgbackrest)
    server.stop()
    server.start()
    with connect(Database(server.dsn("postgres"))) as connection:
        prove_archiving(connection, repository, timedelta(minutes=1))


def _back_up(
    server: EmbeddedServer, repository: Folder, place: Path, pg_bin: str, kind: Kind
) -> Backup:
    options = CreateOptions(
        kind=kind,
        stages=place / "stages",
        pg_bin=pg_bin,
        more={"type": "full"} if kind == "pgbackrest" else {},
    )
    return create_backup(Database(server.dsn("postgres")), repository, options, lambda _: None)


def _start_writers(
    server: EmbeddedServer, place: Path
) -> tuple[list[subprocess.Popen[bytes]], list[Path]]:
    files = [place / f"ledger-{number}" for number in range(_WRITERS)]
    command = [sys.executable, "-m", "benchmarks.recovery_writer", server.dsn("postgres")]
    started = [
        subprocess.Popen([*command, str(number), str(file)]) for number, file in enumerate(files)
    ]
    return started, files


def _kill(server: EmbeddedServer) -> None:
    """kill -9 for every process of the server."""
    pid = server.status().pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    subprocess.run(["kill", "-9", str(pid), *children], check=False)


def _read(writer: int, file: Path) -> list[Line]:
    lines = file.read_text().splitlines(keepends=True)
    whole = [line.split() for line in lines if line.endswith("\n")]
    return [Line(writer, int(number), float(at)) for number, at in whole]


def _of_dump(scene: Scene, kind: Kind) -> Result:
    """What a file gives back: its own moment, before all that was written down."""
    backup = scene.backups[kind]
    options = DrillOptions(parent=scene.place / "scratch", pg_bin=scene.pg_bin, gently=False)
    drill = run_drill(scene.repository, backup.name, options, lambda _: None)
    oldest = scene.ended - min(line.at for line in scene.lines)
    seconds = drill.restore.total_seconds()
    return Result(kind, len(scene.lines), oldest, seconds, backup.size_bytes)


def _of_cluster(scene: Scene, kind: Kind) -> list[Result]:
    """What a copy gives back: its own moment, all that was archived, all that was written."""
    latest = Target(by="latest")
    return [
        _recovered(scene, kind, "alone", Target(by="backup")),
        _recovered(scene, kind, "archive", latest),
        _recovered(scene, kind, "archive, pg_wal", latest, scene.wal),
    ]


def _recovered(
    scene: Scene, kind: Kind, beside: str, target: Target, wal: Path | None = None
) -> Result:
    backup = scene.backups[kind]
    home = scene.place / f"{kind}-{beside.replace(', ', '-')}"
    begun = time.monotonic()
    work = HomeWork(
        backup=backup,
        repository=scene.repository,
        target=target,
        home=home,
        beside=scene.place / "home",
        binaries=find_binaries(scene.pg_bin),
        opener=opener_of(scene.repository, backup, None, scene.place),
        tablespaces={},
        tail=wal,
    )
    recover_home(work)
    server = EmbeddedServer(home, scene.pg_bin)
    server.start()
    with psycopg.connect(server.dsn("postgres")) as connection:
        seconds = time.monotonic() - begun
        found = set(connection.execute("SELECT writer, number FROM ledger").fetchall())
    server.stop("immediate")
    shutil.rmtree(home)
    lost = [line for line in scene.lines if (line.writer, line.number) not in found]
    oldest = scene.ended - min((line.at for line in lost), default=scene.ended)
    return Result(f"{kind}, {beside}", len(lost), oldest, seconds, _size_of(backup))


def _size_of(backup: Backup) -> int:
    """Of what pgBackRest keeps, it knows the size itself."""
    if backup.kind != "pgbackrest":
        return backup.size_bytes
    return int(backup.details.get("stored_bytes", backup.size_bytes))


def _show(results: list[Result]) -> None:
    table = Table("Kind", "Lost commits", "RPO", "RTO", "Size")
    for one in results:
        table.add_row(
            one.kind,
            f"{one.lost}",
            f"{one.oldest_seconds:.1f} s",
            f"{one.restore_seconds:.1f} s",
            f"{one.size_bytes / 1e6:.1f} MB",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
