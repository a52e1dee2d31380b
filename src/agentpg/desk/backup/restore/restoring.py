"""Restoring a backup into a database of a server: a new one, or in the place of one.

First all is looked at and decided, as a plan that can be shown; then it is done. The database
is filled under a name of its own, compared with the manifest, its unfinished tasks are held,
and only then it gets the name under which anybody looks for it. Whatever is killed before, the
old database is untouched; the next restore removes what is left.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from agentpg.db import (
    Connection,
    Database,
    Statements,
    connect,
    driver_errors,
)
from agentpg.desk.backup.model import OF_DATABASES, Backup, Check
from agentpg.desk.backup.proof.blame import is_no_room
from agentpg.desk.backup.proof.matching import behind_at_source, compare_contents
from agentpg.desk.backup.proof.proving import Proof
from agentpg.desk.backup.recovery.server_side import server_of
from agentpg.desk.backup.restore.loading import Loader, loading_programs
from agentpg.desk.backup.restore.naming import is_staged, staged, why_not
from agentpg.desk.backup.restore.plan import (
    BRINGING,
    COMPARING,
    READING,
    RESTORING,
    SWAPPING,
    Restored,
    RestoreOptions,
    RestorePlan,
    Tell,
    Work,
)
from agentpg.desk.backup.restore.swapping import Connected, put_in_place, require_free
from agentpg.desk.backup.restore.unfinished import reason_of, settle_unfinished
from agentpg.desk.backup.scratch import scratch_folder
from agentpg.desk.backup.storage.bringing import Brought, bring
from agentpg.desk.backup.storage.repository import Repository
from agentpg.desk.backup.storage.sealing import Seal
from agentpg.desk.backup.verifying import Opener, verify_backup
from agentpg.errors import (
    AgentpgError,
    BackupDamaged,
    DatabaseMissing,
    DatabaseNameUnusable,
    DatabaseUnavailable,
    PermissionDenied,
    RestoreDiskFull,
    RestoreFailed,
    RestoreKindUnknown,
    RestoreNotRight,
    RestoreServerTooOld,
    RestoreTargetExists,
    RestoreTargetMissing,
    RestoreTooSmall,
    RolesMissing,
    ServerBusy,
    TablespacesMissing,
    ToolFailed,
    WorkUnderWay,
)
from agentpg.language import N_

# Databases to be connected to while others are made and renamed.
_NEUTRAL = ("postgres", "template1")

# Beside the content there is WAL.
_RESERVE = 1.1
_MOST_SESSIONS = 5

_FILLING = N_("a restore into a database of this name")
_MAY_NOT_CREATE = N_("it may not create databases")


@contextmanager
def open_restore(
    server: Database,
    backup: Backup,
    repository: Repository,
    seal: Seal | None,
    options: RestoreOptions,
    tell: Tell = lambda _: None,
) -> Iterator[Restore]:
    """A restore that can be planned, with the backup's files near.

    Raises RestoreRefused for all that stands against it, before anything is done.
    """
    if backup.kind not in OF_DATABASES:
        raise RestoreKindUnknown(name=backup.name, kind=backup.kind)
    if reason := why_not(options.into):
        raise DatabaseNameUnusable(reason, name=options.into)
    near = backup.size_bytes if repository.folder("backups") is None or seal else 0
    with scratch_folder(options.parent, near) as work:
        brought = bring(
            backup,
            repository,
            seal,
            work,
            lambda done, total: tell(Work(BRINGING, done, total)),
        )
        yield Restore(neutral(server, options.into), backup, repository, seal, options, brought)


def neutral(server: Database, renamed: str) -> Database:
    """A database of the server that is not the one which is renamed."""
    for name in _NEUTRAL:
        if name == renamed:
            continue
        with suppress(DatabaseMissing), connect(server.renamed(name), "agentpg backup restore"):
            return server.renamed(name)
    return server


class Restore:
    """One restore: `plan` it, show that, and `run` it."""

    def __init__(
        self,
        server: Database,
        backup: Backup,
        repository: Repository,
        seal: Seal | None,
        options: RestoreOptions,
        brought: Brought,
    ) -> None:
        self._server, self._backup, self._options = server, backup, options
        self._repository, self._seal, self._brought = repository, seal, brought
        self._sql = Statements("restore", backup.source.schema)
        self._filled_bytes = 0

    def plan(self, tell: Tell) -> RestorePlan:
        """Look at everything, and decide. Raises RestoreRefused and its kinds, BackupDamaged."""
        if self._options.verify:
            self._verify(tell)
        with self._connected("agentpg backup restore") as connection:
            return self._planned(connection)

    def run(self, plan: RestorePlan, tell: Tell) -> Restored:
        """Do it. What it raises leaves the server as it was."""
        begun = time.monotonic()
        with self._connected(plan.staging) as connection:
            self._take(connection, plan.staging)
            for name in plan.left:
                connection.execute(self._sql.compose("drop_database", database=name))
            loader = self._loader(plan)
            if self._options.create_roles:
                self._make_roles(connection, loader, plan)
            with self._said(plan), self._dropped_on_failure(connection, plan.staging):
                self._fill(loader, plan, tell)
                took = timedelta(seconds=time.monotonic() - begun)
                checks = self._compare(loader, plan, tell)
                number = settle_unfinished(
                    loader.database(plan.staging),
                    reason_of(self._backup),
                    self._options.unfinished,
                )
                self._analyze(loader.database(plan.staging))
                tell(Work(SWAPPING))
                self._require_free(connection)
                options = self._options
                put_in_place(self._server, plan.staging, options.into, plan.kept, options.ends)
        return Restored(
            backup=self._backup.name,
            database=self._options.into,
            kept=plan.kept,
            unfinished=number,
            checks=checks,
            took=took,
            whole=timedelta(seconds=time.monotonic() - begun),
        )

    def _planned(self, connection: Connection[Any]) -> RestorePlan:
        options, backup = self._options, self._backup
        facts = connection.execute(self._sql["server_facts"]).fetchall()
        [(version, may_create)] = facts
        if version // 10_000 < backup.source.server_version // 10_000:
            raise RestoreServerTooOld(
                source=backup.source.server_version // 10_000,
                found=version // 10_000,
                target=self._server.target(),
            )
        if not may_create:
            raise PermissionDenied(_MAY_NOT_CREATE)
        databases = [row[0] for row in connection.execute(self._sql["databases"])]
        self._require_target(databases)
        sessions = self._require_free(connection)
        needed, free = int(backup.source_bytes * _RESERVE), _free_bytes(connection)
        if free is not None and free < needed:
            raise RestoreTooSmall(free=free, target=self._server.target(), needed=needed)
        now = datetime.now(UTC)
        plan = RestorePlan(
            backup=backup,
            options=options,
            target=self._server.target(),
            server_version=version,
            staging=staged(options.into, "restoring", now),
            kept=staged(options.into, "before", now) if options.replace else "",
            sessions=sessions,
            missing_roles=(),
            needed_bytes=needed,
            free_bytes=free,
            left=tuple(self._left(connection, databases)),
        )
        return self._with_roles(connection, plan)

    def _with_roles(self, connection: Connection[Any], plan: RestorePlan) -> RestorePlan:
        needs = self._loader(plan).needs()
        spaces = {row[0] for row in connection.execute(self._sql["tablespaces"])}
        if lacking := sorted(needs.tablespaces - spaces):
            raise TablespacesMissing(target=self._server.target(), tablespaces=", ".join(lacking))
        there = {row[0] for row in connection.execute(self._sql["roles"])}
        missing = tuple(sorted(needs.roles - there))
        if missing and not self._options.create_roles:
            raise RolesMissing(target=self._server.target(), roles=", ".join(missing))
        return replace(plan, missing_roles=missing)

    def _require_target(self, databases: list[str]) -> None:
        there = self._options.into in databases
        values = {"database": self._options.into, "target": self._server.target()}
        if there and not self._options.replace:
            raise RestoreTargetExists(**values)
        if self._options.replace and not there:
            raise RestoreTargetMissing(**values)

    def _require_free(self, connection: Connection[Any]) -> tuple[Connected, ...]:
        """Who is connected to what is replaced; refused unless their connections may end."""
        options = self._options
        if not options.replace:
            return ()
        return require_free(connection, self._sql, options.into, options.ends)

    def _take(self, connection: Connection[Any], name: str) -> None:
        """Take the lock by which others see that the database is being filled.

        It goes with the session, so that what nobody has was left. Raises WorkUnderWay.
        """
        [(taken,)] = connection.execute(self._sql["take_staging"], {"database": name}).fetchall()
        if not taken:
            raise WorkUnderWay(work=_FILLING, schema=self._backup.source.schema)

    def _left(self, connection: Connection[Any], databases: list[str]) -> Iterator[str]:
        for name in databases:
            if is_staged(name, "restoring"):
                asked = {"database": name}
                [(busy,)] = connection.execute(self._sql["is_being_restored"], asked).fetchall()
                if not busy:
                    yield name

    def _loader(self, plan: RestorePlan) -> Loader:
        return Loader(
            backup=self._backup,
            brought=self._brought,
            programs=loading_programs(
                self._options.pg_bin, self._backup, plan.server_version // 10_000
            ),
            server=Database(self._server.dsn, self._backup.source.schema),
            jobs=self._options.jobs,
        )

    def _verify(self, tell: Tell) -> None:
        """Read all files and compare their checksums before anything is made of them."""
        done, total = 0, self._backup.size_bytes

        def read(size: int) -> None:
            nonlocal done
            done += size
            tell(Work(READING, done, total))

        opener = Opener(
            repository=self._repository,
            programs=loading_programs(self._options.pg_bin, self._backup, 0),
            unseal=self._seal.unseal_to if self._seal else None,
            read=read,
            passing=self._options.parent,
        )
        for check in verify_backup(self._backup, opener).checks:
            if check.outcome == "failed":
                damaged = ", ".join(d.subject for d in check.differences[:_MOST_SESSIONS])
                reason = f"{check.reason}: {damaged}" if damaged else check.reason
                raise BackupDamaged(name=self._backup.name, reason=reason)

    def _make_roles(self, connection: Connection[Any], loader: Loader, plan: RestorePlan) -> None:
        """Those of the source with what they may, without passwords, and those it does not tell."""
        loader.make_roles(only=set(plan.missing_roles))
        there = {row[0] for row in connection.execute(self._sql["roles"])}
        for role in plan.missing_roles:
            if role not in there:
                connection.execute(self._sql.compose("create_role", role=role))

    def _fill(self, loader: Loader, plan: RestorePlan, tell: Tell) -> None:
        def reached(done: int, total: int) -> None:
            self._filled_bytes = done
            tell(Work(RESTORING, done, total))

        loader.make_database(plan.staging)
        loader.fill(plan.staging, reached)
        if self._backup.kind == "sql" and self._brought.database is None:
            loader.give_to_owner(plan.staging)

    def _compare(self, loader: Loader, plan: RestorePlan, tell: Tell) -> tuple[Check, ...]:
        if not self._options.verify:
            return ()
        tell(Work(COMPARING))
        database = loader.database(plan.staging)
        behind = behind_at_source(self._brought, self._backup)
        sequences = Proof(self._backup, database, loader.programs, behind).sequences()
        matched = compare_contents(
            self._brought,
            self._backup,
            database,
            roles=False,
            progress=lambda done, total: tell(Work(COMPARING, done, total)),
        )
        failed = [check for check in matched if check.outcome == "failed"]
        if failed:
            raise RestoreNotRight("; ".join(f"{c.name}: {c.reason}" for c in failed))
        # A sequence that was behind at the source is said, and keeps nobody from restoring.
        return (*matched, sequences)

    def _analyze(self, database: Database) -> None:
        with (
            driver_errors(database.target()),
            connect(database, "agentpg backup restore") as connection,
        ):
            connection.execute(self._sql["analyze"])

    @contextmanager
    def _connected(self, application: str) -> Iterator[Connection[Any]]:
        with (
            driver_errors(self._server.target()),
            connect(self._server, application) as connection,
        ):
            yield connection

    @contextmanager
    def _said(self, plan: RestorePlan) -> Iterator[None]:
        """Raise what went wrong as it concerns a restore."""
        try:
            yield
        except (ToolFailed, ServerBusy) as error:
            reason = str(error.values["reason"])
            if is_no_room(reason):
                target, done = self._server.target(), self._filled_bytes
                raise RestoreDiskFull(
                    reason, target=target, done=done, needed=plan.needed_bytes
                ) from error
            if isinstance(error, ToolFailed):
                raise RestoreFailed(reason, name=self._backup.name) from error
            raise

    @contextmanager
    def _dropped_on_failure(self, connection: Connection[Any], name: str) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            try:
                with driver_errors(self._server.target()):
                    connection.execute(self._sql.compose("drop_database", database=name))
            except DatabaseUnavailable as gone:
                # The next restore removes it. A program that failed did so because of that.
                if isinstance(error, ToolFailed):
                    raise gone from error
            except AgentpgError:
                pass  # what went wrong first is what counts
            raise


def _free_bytes(connection: Connection[Any]) -> int | None:
    """The room on the server's disk, where it is this machine's and may be looked at."""
    near = server_of(connection)
    return None if near is None or near.data is None else shutil.disk_usage(near.data).free
