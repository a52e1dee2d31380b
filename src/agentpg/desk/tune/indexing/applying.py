"""Making, dropping and rebuilding indexes while rows are written, each looked at again before.

It shares the lock of backups. What could be undone has a file that does, written first. A build
that fails leaves an index that every write keeps and no query uses: that is removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from agentpg.db import (
    Connection,
    Database,
    Fragment,
    ServerError,
    Statements,
    class_row,
    connect,
    driver_errors,
    identifier,
    lasting,
    literal,
    server_message,
)
from agentpg.desk.backup.sessions import be_undisturbed
from agentpg.desk.check import size
from agentpg.desk.doctor.disk.facts import Facts as Disks
from agentpg.desk.doctor.disk.rewriting import lacking, rooms_of_build
from agentpg.desk.doctor.indexes.findings_worn import is_left_of
from agentpg.desk.tune.indexing.actions import Action
from agentpg.desk.tune.indexing.undoing import built_concurrently, write_undo
from agentpg.desk.tune.indexing.workload import Statement
from agentpg.desk.tune.plans.reading import Question, plan_on
from agentpg.desk.turn import UNDISTURBED, turn
from agentpg.desk.undo_file import Place, place_on
from agentpg.errors import (
    AgentpgError,
    IndexKept,
    IndexLeft,
    IndexNotFound,
    IndexNotMade,
    IndexTooLarge,
    VacuumThroughPooler,
)
from agentpg.language import N_

_SQL = Statements("indexing", "")
# How a session that rewrites tables waits and sorts.
_SESSION = Statements("vacuum", "")

_CHANGED = N_("it is another index by now")
_NEEDED = N_("something stands on it by now")
_INVALID = N_("it is not valid after all")
_VALID = N_("it is valid by now")

_PATIENCE = timedelta(seconds=5)

# The role may not, or the server only reads: nothing has begun.
_SAID_ELSEWHERE = ("42501", "25006")

_TAKEN = "42P07"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of an action: the file that undoes it, sizes, and who uses a new index.

    `used_by` of `statements` have it in their plans now; both None where that is not known.
    `unseen` is a place of which nobody knew whether it had room for `needed_bytes`.
    """

    action: Action
    undo: Path | None = None
    before_bytes: int | None = None
    after_bytes: int | None = None
    used_by: int | None = None
    statements: int | None = None
    unseen: str = ""
    needed_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyOptions:
    """Where files that undo go, and how long to wait for a lock or an older transaction.

    `clearing_timeout` is how long to wait for removing what a failed try has left. `disks` looks at
    the server's disks before each build; None where nobody looks.
    """

    home: Path
    lock_timeout: timedelta = timedelta(seconds=30)
    clearing_timeout: timedelta = timedelta(minutes=2)
    disks: Callable[[], Disks] | None = None


@dataclass(frozen=True, slots=True)
class _Index:
    oid: int
    table_oid: int
    name: str
    schema: str
    bare_name: str
    definition: str
    is_valid: bool
    is_needed: bool
    tablespace: str
    comment: str
    statistics: list[str]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Build:
    """About what building an index writes, and in which folders of tablespaces."""

    index_bytes: int
    folder: str
    sort_folder: str


def apply(
    database: Database,
    actions: Sequence[Action],
    options: ApplyOptions,
    tell: Callable[[Done], None],
) -> None:
    """Do one after the other, and tell what became of each; the first that fails ends it.

    Raises IndexNotMade, IndexLeft, IndexKept, IndexNotFound, IndexTooLarge, FileNotWritten,
    WorkUnderWay beside a backup, VacuumThroughPooler, and the errors of the database.
    """
    with (
        driver_errors(database.target()),
        connect(database, "agentpg tune indexes") as connection,
    ):
        if lasting(connection) == "transaction":
            # It keeps neither the lock nor the time limits.
            raise VacuumThroughPooler(target=database.target())
        place = place_on(database, connection)
        be_undisturbed(connection)
        connection.execute(_SESSION["sort_beside"])
        with turn(connection, database.schema, UNDISTURBED):
            for action in actions:
                _wait_at_most(connection, options.lock_timeout)
                done = _Doing(connection, options, action, place).do()
                tell(_with_use(database, done))


class _Doing:
    """One action."""

    def __init__(
        self, connection: Connection[Any], options: ApplyOptions, action: Action, place: Place
    ) -> None:
        self._connection, self._options, self._action = connection, options, action
        self._place = place

    def do(self) -> Done:
        """Look once more, do it, and see that it is so."""
        match self._action.kind:
            case "create":
                return self._create()
            case "rebuild":
                return self._rebuild()
        return self._drop()

    def _create(self) -> Done:
        action, proposal = self._action, self._action.proposal
        if proposal is None or self._found() is not None:
            raise IndexKept(_CHANGED, index=action.name)
        columns = list(proposal.column_names)
        room = self._room("create_takes", table=proposal.table, columns=columns)
        undo = self._undo([f"DROP INDEX CONCURRENTLY IF EXISTS {action.name}"])
        with self._cleaned(self._half_made):
            self._connection.execute(proposal.composed("create"), {})
        made = self._found()
        if made is None or not made.is_valid:
            self._clear([action.name], _INVALID)
            raise IndexNotMade(_INVALID, index=action.name)
        return Done(action=action, undo=undo, after_bytes=made.size_bytes, **room)

    def _half_made(self) -> list[str]:
        """The new index, as far as it came; a valid one was made by somebody else."""
        found = self._found()
        return [] if found is None or found.is_valid else [self._action.name]

    def _rebuild(self) -> Done:
        action, index = self._action, self._same()
        room = self._room("rebuild_takes", oid=index.oid)
        before = self._remains(index)
        with self._cleaned(lambda: [one for one in self._remains(index) if one not in before]):
            self._run("reindex")
        after = self._found()
        if after is None or not after.is_valid:
            raise IndexNotMade(_INVALID, index=action.name)
        return Done(
            action=action, before_bytes=index.size_bytes, after_bytes=after.size_bytes, **room
        )

    def _room(self, statement: str, **values: object) -> dict[str, Any]:
        """See that the disks have room for it; where that is not known, what is to be said."""
        if self._options.disks is None:
            return {}
        cursor = self._connection.cursor(row_factory=class_row(_Build))
        [build] = cursor.execute(_SQL[statement], values).fetchall()
        found = rooms_of_build(
            self._options.disks(), build.index_bytes, build.folder, build.sort_folder
        )
        room = lacking(found)
        if room is None:
            return {}
        if room.free_bytes is None:
            return {"unseen": room.place, "needed_bytes": room.needed_bytes}
        raise IndexTooLarge(
            index=self._action.name,
            needed=size(room.needed_bytes),
            free=size(room.free_bytes),
            mount=room.place,
        )

    def _drop(self) -> Done:
        action, index = self._action, self._same()
        if index.is_needed and action.kind == "drop":
            raise IndexKept(_NEEDED, index=action.name)
        if index.is_valid and action.kind == "clear":
            raise IndexKept(_VALID, index=action.name)
        undo = self._undo(list(_way_back(index))) if action.kind == "drop" else None
        try:
            self._run("drop")
        except ServerError as error:
            if error.sqlstate in _SAID_ELSEWHERE:
                raise
            said, left = server_message(error), self._found()
            if left is not None and not left.is_valid:
                raise IndexLeft(said, index=action.name, left=action.name) from None
            raise IndexNotMade(said, index=action.name) from None
        return Done(action=action, undo=undo, before_bytes=index.size_bytes, after_bytes=0)

    def _same(self) -> _Index:
        """The index that was looked at, if it is that one still."""
        found = self._found()
        if found is None:
            raise IndexNotFound(index=self._action.name)
        if found.oid != self._action.oid:
            raise IndexKept(_CHANGED, index=self._action.name)
        return found

    def _found(self) -> _Index | None:
        cursor = self._connection.cursor(row_factory=class_row(_Index))
        return cursor.execute(_SQL["find_index"], {"name": self._action.name}).fetchone()

    def _remains(self, index: _Index) -> list[str]:
        """What a REINDEX of it has left; others may be building other indexes of its table."""
        rows = self._connection.execute(_SQL["invalid_on"], {"table_oid": index.table_oid})
        return [name for name, bare in rows.fetchall() if is_left_of(bare, index.bare_name)]

    def _run(self, statement: str) -> None:
        name = Fragment(self._action.name)
        self._connection.execute(_SQL.compose(statement, index=name), {})

    def _undo(self, statements: Sequence[str]) -> Path:
        action = self._action
        name = f"{action.kind}-{action.name}"
        return write_undo(self._options.home, self._place, name, action.sql, statements)

    @contextmanager
    def _cleaned(self, left: Callable[[], Sequence[str]]) -> Iterator[None]:
        """Where it fails, remove what is left of it. Raises IndexNotMade and IndexLeft."""
        try:
            yield
        except ServerError as error:
            if self._connection.broken or error.sqlstate in _SAID_ELSEWHERE:
                raise
            said = server_message(error)
            # Of a name that is taken nothing is ours.
            self._clear(() if error.sqlstate == _TAKEN else left(), said)
            raise IndexNotMade(said, index=self._action.name) from None
        except KeyboardInterrupt:
            self._clear(left(), N_("it was interrupted"))
            raise

    def _clear(self, names: Sequence[str], reason: str) -> None:
        _wait_at_most(self._connection, self._options.clearing_timeout)
        for name in names:
            statement = _SQL.compose("drop_left", index=Fragment(name))
            try:
                self._connection.execute(statement, {})
            except ServerError:
                raise IndexLeft(reason, index=self._action.name, left=name) from None


def _wait_at_most(connection: Connection[Any], limit: timedelta) -> None:
    # For PostgreSQL 0 is without end.
    milliseconds = max(round(limit / timedelta(milliseconds=1)), 1)
    connection.execute(_SESSION["wait_at_most"], {"limit": f"{milliseconds}ms"})


def _way_back(index: _Index) -> Iterator[str]:
    """The statements that make it as it was."""
    # Empty is that of the database, whatever the session's default is.
    yield f"SET default_tablespace = {literal(index.tablespace)}"
    yield built_concurrently(index.definition)
    yield from index.statistics
    if index.comment:
        name = identifier(index.schema, index.bare_name)
        yield f"COMMENT ON INDEX {name} IS {literal(index.comment)}"


def _with_use(database: Database, done: Done) -> Done:
    """With how many of the statements that a new index is for have it in their plans."""
    proposal = done.action.proposal
    if proposal is None or not proposal.statements:
        return done
    with connect(database, "agentpg tune indexes") as connection:
        used = sum(_uses(connection, one, proposal.plain_name) for one in proposal.statements)
    return replace(done, used_by=used, statements=len(proposal.statements))


def _uses(connection: Connection[Any], statement: Statement, index: str) -> bool:
    try:
        plan = plan_on(connection, Question(statement=statement.query, timeout=_PATIENCE))
    except AgentpgError:
        return False
    return any(node.said.get("Index Name") == index for node in plan.root)
