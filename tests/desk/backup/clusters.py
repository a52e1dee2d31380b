"""Whole clusters for the tests of base backups: archiving, backed up, recovered, looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

from agentpg.db import Database, connect
from agentpg.desk.backup.creating import CreateOptions, create_backup
from agentpg.desk.backup.model import Backup
from agentpg.desk.backup.recovery.archiving import prove_archiving, turn_on
from agentpg.desk.backup.recovery.recovering import Prepared, Recovered, prepare_recovery, recover
from agentpg.desk.backup.recovery.staging import OpenSeal, no_key_for_wal
from agentpg.desk.backup.recovery.targets import Target
from agentpg.desk.backup.recovery.unpacking import Place
from agentpg.desk.backup.storage.records import key_of
from agentpg.desk.backup.storage.repository import Repository
from agentpg.embedded import EmbeddedServer
from agentpg.embedded.account import choose_account
from agentpg.embedded.binaries import find_binaries
from agentpg.embedded.folder import Folder as Home
from agentpg.schema import migrate
from tests.servers import PG_BIN, SCHEMA, OwnServers

PATIENCE = timedelta(seconds=60)


@dataclass(slots=True)
class Cluster:
    """A server of the test's own, with an installation, and its repository."""

    server: EmbeddedServer
    home: Path
    folder: Repository
    options: Callable[..., CreateOptions]
    servers: OwnServers

    @property
    def database(self) -> Database:
        """The installation's database, as the superuser."""
        return Database(self.server.dsn("postgres"), SCHEMA)

    def archive(self) -> None:
        """Let it archive into the repository."""
        with connect(self.database) as connection:
            turn_on(connection, self.folder)
        self.server.stop()
        self.server.start()
        self.end_segment()

    def end_segment(self) -> str:
        """Bring all that was committed into the archive."""
        with connect(self.database) as connection:
            return prove_archiving(connection, self.folder, PATIENCE)

    def back_up(self, **options: Any) -> Backup:
        """Make a backup of kind base."""
        chosen = self.options(kind="base", **options)
        return create_backup(self.database, self.folder, chosen, lambda step: None)

    def opener(self, backup: Backup) -> Callable[[str], AbstractContextManager[BinaryIO]]:
        """What opens the files of a backup."""
        return lambda path: self.folder.open(key_of(backup.name, path))

    def recover(
        self,
        backup: Backup,
        target: Target,
        tail: Path | None = None,
        open_wal: OpenSeal = no_key_for_wal,
    ) -> tuple[Recovered, Path]:
        """Recover the backup to a home of its own, and the home."""
        prepared, home = self.prepare(backup, target, tail, open_wal)
        return recover(prepared, find_binaries(PG_BIN), home / "recovery.log"), home

    def prepare(
        self,
        backup: Backup,
        target: Target,
        tail: Path | None = None,
        open_wal: OpenSeal = no_key_for_wal,
    ) -> tuple[Prepared, Path]:
        """Decide how that is done, and unpack it."""
        number = len(list(self.home.parent.glob("recovered-*")))
        home = Home(self.home.parent / f"recovered-{number}")
        home.root.mkdir(parents=True)
        home.root.chmod(0o711)
        home.home.chmod(0o711)
        home.logs.mkdir()
        place = Place(folder=home.data, account=choose_account(self.server.status().data))
        place.account.own(home.logs)
        prepared = prepare_recovery(
            backup,
            self.folder,
            target,
            place,
            self.opener(backup),
            open_wal=open_wal,
            tail=tail,
        )
        return prepared, home.home

    @contextmanager
    def recovered(
        self,
        backup: Backup,
        target: Target,
        tail: Path | None = None,
        open_wal: OpenSeal = no_key_for_wal,
    ) -> Iterator[Database]:
        """The recovered installation, on a server of its own."""
        _, home = self.recover(backup, target, tail, open_wal)
        server = self.started(home)
        yield Database(server.dsn("postgres"), SCHEMA)
        server.stop("immediate")

    def started(self, home: Path) -> EmbeddedServer:
        """A server on a recovered home, which archives nothing and knows the passwords."""
        server = self.servers(home=home, options={"archive_mode": "off"})
        passwords = Home(self.home).passwords.read_text()
        Home(home).passwords.write_text(passwords)
        Home(home).passwords.chmod(0o600)
        server.start()
        return server


def make_cluster(
    servers: OwnServers,
    home: Path,
    folder: Repository,
    options: Callable[..., CreateOptions],
    **settings: str,
) -> Cluster:
    """A cluster with the schema."""
    # The server's account passes through to the repository beside the home.
    home.parent.chmod(0o711)
    server = servers(home=home, options={"track_commit_timestamp": "on", **settings})
    server.start()
    cluster = Cluster(server, home, folder, options, servers)
    with connect(cluster.database) as connection:
        # What is recovered from it need not survive the machine either.
        connection.execute("ALTER SYSTEM SET fsync = off")
    migrate(Database(server.dsn(), SCHEMA))
    return cluster
