"""A drill: a backup is restored into a scratch server, and everything is compared.

It is recorded in the repository whatever it finds. What could not be found out is unknown,
and unknown is never a pass.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from agentpg.db import Database, Statements, connect, driver_errors
from agentpg.desk.backup.model import (
    OF_CLUSTERS,
    OF_DATABASES,
    Backup,
    Check,
    Drill,
    Outcome,
)
from agentpg.desk.backup.pgbackrest.recovery import pgbackrest_options, recover_into_scratch
from agentpg.desk.backup.programs import Programs, find_programs
from agentpg.desk.backup.proof.blame import is_of_the_place
from agentpg.desk.backup.proof.matching import behind_at_source, compare_contents
from agentpg.desk.backup.proof.proving import Proof
from agentpg.desk.backup.recovery.preparing import prepare_base, scratch_options
from agentpg.desk.backup.restore.loading import Loader, loading_programs
from agentpg.desk.backup.restore.naming import Needs
from agentpg.desk.backup.scratch import SERVER, ScratchOptions, ScratchServer
from agentpg.desk.backup.storage.bringing import Brought, bring, bring_manifest
from agentpg.desk.backup.storage.records import read_backup, write_drill
from agentpg.desk.backup.storage.repository import Repository
from agentpg.desk.backup.storage.sealing import Seal
from agentpg.desk.backup.verifying import Opener, verify_backup
from agentpg.errors import (
    AgentpgError,
    CopyDamaged,
    PgbackrestBackupGone,
    PointNotReached,
    RecoveryFailed,
    RestoreKindUnknown,
    ToolFailed,
    WalDamaged,
)
from agentpg.language import N_

# What says that the backup is not what it was, and not that we could not look.
_DAMAGED = (
    CopyDamaged,
    PgbackrestBackupGone,
    PointNotReached,
    RecoveryFailed,
    ToolFailed,
    WalDamaged,
)

_FILES = N_("Reading the backup")
_BRINGING = N_("Bringing the backup here")
_RESTORING = N_("Restoring")
_COMPARING = N_("Comparing")


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillOptions:
    """How a drill is made: `parent` is where the scratch server goes; `seal` opens the backup."""

    parent: Path
    pg_bin: str = ""
    jobs: int = 2
    gently: bool = True
    open_seal: Callable[[Backup], Seal | None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Stage:
    """How far a drill is: what it does, and bytes of the whole where they are known."""

    work: str
    done_bytes: int = 0
    total_bytes: int = 0


TellStage = Callable[[Stage], None]


def run_drill(repository: Repository, name: str, options: DrillOptions, tell: TellStage) -> Drill:
    """Prove one backup, and record what was found.

    Raises BackupNotFound, also where it was removed meanwhile, RecordDamaged, and
    RepositoryError where the drill can't be recorded.
    """
    backup = read_backup(repository, name)
    drill = _Run(repository, backup, options, tell).drill()
    read_backup(repository, name)
    write_drill(repository, drill)
    return drill


@dataclass(slots=True)
class _Run:
    repository: Repository
    backup: Backup
    options: DrillOptions
    tell: TellStage
    restore: timedelta = timedelta()
    server_version: int = 0
    begun_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def drill(self) -> Drill:
        checks: list[Check] = []
        try:
            # Those before an error stay.
            checks.extend(self._checks())
        except (AgentpgError, OSError) as error:
            # Our side did not work: nothing is known of the backup by that.
            checks.append(Check(name="drill", outcome="unknown", reason=str(error)))
        return Drill(
            backup=self.backup.name,
            begun_at=self.begun_at,
            ended_at=datetime.now(UTC),
            restore=self.restore,
            checks=tuple(checks),
            host=socket.gethostname(),
            server_version=self.server_version,
            agentpg_version=version("agentpg"),
        )

    def _checks(self) -> Iterator[Check]:
        seal = self.options.open_seal(self.backup)
        yield from (files := self._files(seal))
        if any(check.outcome == "failed" for check in files):
            return
        if self.backup.kind in OF_CLUSTERS:
            yield from self._recovered(seal)
            return
        if self.backup.kind not in OF_DATABASES:
            raise RestoreKindUnknown(name=self.backup.name, kind=self.backup.kind)
        yield from self._restored(seal)

    def _files(self, seal: Seal | None) -> tuple[Check, ...]:
        done, total = 0, self.backup.size_bytes

        def read(size: int) -> None:
            nonlocal done
            done += size
            self.tell(Stage(_FILES, done, total))

        opener = Opener(
            repository=self.repository,
            programs=loading_programs(self.options.pg_bin, self.backup, 0),
            unseal=seal.unseal_to if seal else None,
            read=read,
            passing=self.options.parent,
        )
        return verify_backup(self.backup, opener).checks

    def _restored(self, seal: Seal | None) -> Iterator[Check]:
        major = self.backup.source.server_version // 10_000
        server = find_programs(self.options.pg_bin, major, *SERVER)
        near = 0 if self.repository.folder("backups") and not seal else self.backup.size_bytes
        room = ScratchOptions(
            content_bytes=self.backup.source_bytes + near, gently=self.options.gently
        )
        with ScratchServer(server, self.options.parent, room) as scratch:
            scratch.start()
            self.server_version = server_version_of(scratch.dsn())
            begun = time.monotonic()
            loader = Loader(
                backup=self.backup,
                brought=bring(
                    self.backup,
                    self.repository,
                    seal,
                    scratch.folder,
                    lambda done, total: self.tell(Stage(_BRINGING, done, total)),
                ),
                programs=loading_programs(self.options.pg_bin, self.backup, server.major),
                server=Database(scratch.dsn(), self.backup.source.schema),
                jobs=self.options.jobs,
                low=self.options.gently,
            )
            loaded = self._load(loader, scratch)
            self.restore = timedelta(seconds=time.monotonic() - begun)
            yield loaded
            if loaded.outcome != "passed":
                return
            self.tell(Stage(_COMPARING))
            database = loader.database(self.backup.source.database)
            yield from self._proved(loader.brought, database, server)

    def _recovered(self, seal: Seal | None) -> Iterator[Check]:
        """A whole cluster, recovered to the backup's moment."""
        major = self.backup.source.server_version // 10_000
        server = find_programs(self.options.pg_bin, major, *SERVER, "pg_verifybackup")
        options = scratch_options if self.backup.kind == "base" else pgbackrest_options
        for_it = options(self.backup, gently=self.options.gently)
        with ScratchServer(server, self.options.parent, for_it) as scratch:
            self.tell(Stage(_RESTORING))
            begun = time.monotonic()
            try:
                self._recover(scratch, seal, server)
            except _DAMAGED as error:
                yield _not_restored(error)
                return
            scratch.start()
            self.server_version = server_version_of(scratch.dsn())
            self.restore = timedelta(seconds=time.monotonic() - begun)
            yield Check(name="restore", outcome="passed")
            self.tell(Stage(_COMPARING))
            source = self.backup.source
            database = Database(scratch.dsn(source.database), source.schema)
            brought = bring_manifest(self.backup, self.repository, seal, scratch.folder)
            yield from self._proved(brought, database, server)

    def _proved(self, brought: Brought, database: Database, server: Programs) -> Iterator[Check]:
        yield from compare_contents(
            brought,
            self.backup,
            database,
            roles=True,
            progress=lambda done, total: self.tell(Stage(_COMPARING, done, total)),
        )
        behind = behind_at_source(brought, self.backup)
        yield from Proof(self.backup, database, server, behind).checks()

    def _recover(self, scratch: ScratchServer, seal: Seal | None, server: Programs) -> None:
        if self.backup.kind == "base":
            prepare_base(scratch, self.backup, self.repository, seal, server)
        else:
            jobs = self.options.jobs
            recover_into_scratch(scratch, self.backup, self.repository, server, jobs)

    def _load(self, loader: Loader, scratch: ScratchServer) -> Check:
        """Restore everything. Raises what says that it could not even be begun."""
        name = self.backup.source.database
        loader.make_roles()
        prepare_server(loader.server, name, loader.needs())
        loader.make_database(name)

        def tell(done: int, total: int) -> None:
            self.tell(Stage(_RESTORING, done, total))

        try:
            with scratch.restoring():
                loader.fill(name, tell)
        except ToolFailed as error:
            return _not_restored(error)
        return Check(name="restore", outcome="passed")


def _not_restored(error: AgentpgError) -> Check:
    outcome: Outcome = "unknown" if is_of_the_place(error) else "failed"
    return Check(name="restore", outcome=outcome, reason=str(error))


def prepare_server(server: Database, name: str, needs: Needs) -> None:
    """Make the roles that the backup has no definition of, tablespaces that lie in the data
    folder, and room for its database's name."""
    sql = Statements("restore", server.schema)
    with driver_errors(server.target()), connect(server, "agentpg backup drill") as connection:
        there = {row[0] for row in connection.execute(sql["roles"])}
        for role in sorted(needs.roles - there):
            connection.execute(sql.compose("create_role", role=role))
        spaces = {row[0] for row in connection.execute(sql["tablespaces"])}
        connection.execute(sql["allow_in_place"])
        for tablespace in sorted(needs.tablespaces - spaces):
            connection.execute(sql.compose("create_in_place", tablespace=tablespace))
        connection.execute(sql.compose("drop_database", database=name))


def server_version_of(dsn: str) -> int:
    """The version of a server, as it numbers it."""
    with connect(Database(dsn), "agentpg backup drill") as connection:
        return connection.info.server_version
