"""Measures what is lost with a server, and how long it takes until it answers again.

python -m benchmarks.recovery            30 seconds of commits after the backup, 200 MB beside
python -m benchmarks.recovery --quick    8 seconds, 20 MB

Writers commit and write down what was acknowledged. Then every process of the server is killed,
its data folder is removed, and each kind of backup gives back what it has. RPO: what was
acknowledged and is missing, in commits, and the age of the oldest of them. RTO: from the first
read of the repository to a database that answers.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from agentpg.db import Database, connect
from agentpg.desk.backup.creating import CreateOptions, create_backup
from agentpg.desk.backup.drilling import DrillOptions, run_drill
from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.recovery.archiving import prove_archiving, turn_on
from agentpg.desk.backup.recovery.homes import HomeWork, recover_home
from agentpg.desk.backup.recovery.targets import Target
from agentpg.desk.backup.storage.folder import Folder, open_folder
from agentpg.desk.backup.storage.reading import opener_of
from agentpg.embedded import EmbeddedServer
from agentpg.embedded.binaries import find_binaries
from agentpg.schema import migrate

_PG_BIN = os.environ.get("AGENTPG_PG_BIN", "")
_WRITERS = 2
_AT_LEAST_EVERY = timedelta(seconds=5)


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


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    place = Path(tempfile.mkdtemp(prefix="agentpg-recovery-"))
    place.chmod(0o711)
    try:
        results = _measure(place, 8.0 if quick else 30.0, 20 if quick else 200)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    _show(results)


def _measure(place: Path, seconds: float, megabytes: int) -> list[Result]:
    server = EmbeddedServer(place / "home", _PG_BIN)
    server.start()
    database = Database(server.dsn("postgres"))
    migrate(Database(server.dsn()))
    repository = open_folder(place / "repository")
    _fill(database, megabytes)
    _archive(server, repository)
    dump = _back_up(server, repository, place, "dump")
    base = _back_up(server, repository, place, "base")
    writers, files = _start_writers(server, place)
    time.sleep(seconds)
    _kill(server)
    ended = time.time()
    for writer in writers:
        writer.kill()
        writer.wait()
    lines = [line for number, file in enumerate(files) for line in _read(number, file)]
    wal = server.status().data / "pg_wal"
    results = [
        _of_dump(repository, dump, place, lines, ended),
        _of_base("base alone", repository, base, place, lines, ended, Target(by="backup")),
        _of_base("base, archive", repository, base, place, lines, ended, Target(by="latest")),
        _of_base(
            "base, archive, pg_wal", repository, base, place, lines, ended, Target(by="latest"), wal
        ),
    ]
    shutil.rmtree(server.status().data)
    return results


def _fill(database: Database, megabytes: int) -> None:
    with connect(database) as connection:
        connection.execute("CREATE TABLE ledger (writer int, number int)")
        connection.execute("CREATE TABLE bulk (id bigint PRIMARY KEY, text text)")
        connection.execute(
            "INSERT INTO bulk SELECT n, repeat(md5(n::text), 30) FROM generate_series(1, %s) AS n",
            [megabytes * 1000],
        )


def _archive(server: EmbeddedServer, repository: Folder) -> None:
    with connect(Database(server.dsn("postgres"))) as connection:
        turn_on(connection, repository, at_least_every=_AT_LEAST_EVERY)
    server.stop()
    server.start()
    with connect(Database(server.dsn("postgres"))) as connection:
        prove_archiving(connection, repository, timedelta(minutes=1))


def _back_up(server: EmbeddedServer, repository: Folder, place: Path, kind: str) -> Backup:
    options = CreateOptions(
        kind="dump" if kind == "dump" else "base", stages=place / "stages", pg_bin=_PG_BIN
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


def _of_dump(
    repository: Folder, backup: Backup, place: Path, lines: list[Line], ended: float
) -> Result:
    options = DrillOptions(parent=place / "scratch", pg_bin=_PG_BIN, gently=False)
    drill = run_drill(repository, backup.name, options, lambda _: None)
    # All was written after it.
    oldest = ended - min(line.at for line in lines)
    seconds = drill.restore.total_seconds()
    return Result("dump", len(lines), oldest, seconds, backup.size_bytes)


def _of_base(
    kind: str,
    repository: Folder,
    backup: Backup,
    place: Path,
    lines: list[Line],
    ended: float,
    target: Target,
    wal: Path | None = None,
) -> Result:
    home = place / kind.replace(", ", "-").replace(" ", "-")
    begun = time.monotonic()
    work = HomeWork(
        backup=backup,
        repository=repository,
        target=target,
        home=home,
        beside=place / "home",
        binaries=find_binaries(_PG_BIN),
        opener=opener_of(repository, backup, None, place),
        tablespaces={},
        tail=wal,
    )
    recover_home(work)
    server = EmbeddedServer(home, _PG_BIN)
    server.start()
    with psycopg.connect(server.dsn("postgres")) as connection:
        seconds = time.monotonic() - begun
        found = set(connection.execute("SELECT writer, number FROM ledger").fetchall())
    server.stop("immediate")
    lost = [line for line in lines if (line.writer, line.number) not in found]
    oldest = ended - min((line.at for line in lost), default=ended)
    return Result(kind, len(lost), oldest, seconds, backup.size_bytes)


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
