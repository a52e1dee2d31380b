"""Whether a restored database is what the source was: every check that a drill makes.

A check that could not be made says so, and is never a pass.

What others have made runs with no superuser's rights. The checks of a superuser find only the
server's own names, read its catalogue and tables, and compare by the operators of the foreign
keys; amcheck and VACUUM do what belongs to others in security-restricted operations. What goes by
the database's own names, as the guide's queries do, or makes its definitions once more, is done
by a role that may only read (`reader.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentpg import schema as schemas
from agentpg.db import (
    Connection,
    Database,
    Fragment,
    ServerError,
    Statements,
    connect,
    driver_errors,
    environment_of,
    make_conninfo,
    server_message,
)
from agentpg.desk.backup.leash import run_tool
from agentpg.desk.backup.model import Backup, Check, Difference, Outcome
from agentpg.desk.backup.programs import Programs
from agentpg.desk.backup.proof.blame import is_of_the_place
from agentpg.desk.backup.proof.reader import reader_of
from agentpg.desk.backup.sessions import be_undisturbed
from agentpg.errors import AgentpgError, BinariesMissing, ToolFailed
from agentpg.language import N_

_NOT_INSTALLED = N_("the extension amcheck is not installed beside this server")
_NO_SCHEMA = N_("this database has no tables of agentpg")
_NOT_PROVED = N_("{number} constraints were never proved for all rows: {names}")
_INVALID = N_("{number} indexes are not valid: {names}")
_ORPHANS = N_("rows name others that are not there")
_BEHIND = N_("sequences would give numbers that are taken")
_AS_AT_SOURCE = N_("sequences would give numbers that are taken; so it was at the source")
_DIFFERS = N_("the schema is not what this release expects")
_MOST_NAMES = 5

# Those that are stored with their values in them.
REASONS = (_NOT_PROVED, _INVALID)

_NUMBERS = "sequences"

# pg_amcheck tells what it found where other programs write their results.
_ALOUD = ("sh", "-c", 'exec "$@" >&2', "sh")
_CORRUPT = 2

# What the guide shows, in the order of the guide, but for its maintenance.
GUIDE = (
    "guide_pending_tasks",
    "guide_agent_statistics",
    "guide_failed_tasks",
    "guide_plan",
    "guide_connections",
    "guide_database_size",
    "guide_table_sizes",
)
_GUIDE_VACUUM = "guide_vacuum"


@dataclass(frozen=True, slots=True)
class Proof:
    """What is looked at: a restored database, with the programs of its server.

    `behind` are sequences that were behind their columns at the source.
    """

    backup: Backup
    database: Database
    programs: Programs
    behind: frozenset[str] = frozenset()

    def checks(self) -> Iterator[Check]:
        """All checks that need no manifest, one after the other."""
        for name, look in self._looks():
            yield self._looked(name, look)

    def _looks(self) -> Sequence[tuple[str, Callable[[], Check]]]:
        return (
            ("indexes", self._amcheck),
            ("constraints", lambda: self._asked(_constraints)),
            ("foreign keys", lambda: self._asked(_foreign_keys)),
            (_NUMBERS, self.sequences),
            ("schema", self._schema),
            ("queries of the guide", self._guide),
        )

    def sequences(self) -> Check:
        """Whether every sequence is ahead of the column that it serves, or was not before."""
        return self._asked(self._sequences)

    def _looked(self, name: str, look: Callable[[], Check]) -> Check:
        try:
            with driver_errors(self.database.target()):
                return look()
        except (AgentpgError, ServerError) as error:
            return Check(name=name, outcome="unknown", reason=str(error))

    def _asked(self, look: Callable[[Connection[Any], Statements], Check]) -> Check:
        with connect(self.database, "agentpg backup drill") as connection:
            be_undisturbed(connection)
            return look(connection, Statements("restore", self.database.schema))

    def _amcheck(self) -> Check:
        """Whether the indexes, and what the tables have, are as they should be inside."""
        with connect(self.database, "agentpg backup drill") as connection:
            be_undisturbed(connection)
            sql = Statements("restore", self.database.schema)
            if not connection.execute(sql["has_amcheck"]).fetchall():
                return Check(name="indexes", outcome="unknown", reason=_NOT_INSTALLED)
        try:
            tool = self.programs.tool("pg_amcheck")
        except BinariesMissing as error:
            return Check(name="indexes", outcome="unknown", reason=str(error))
        command: list[str | Path] = [tool, "--install-missing=pg_catalog", "--heapallindexed"]
        # By itself, a name with an equals sign would be read as more than a name.
        command += ["--no-password", make_conninfo("", dbname=self.database.name())]
        try:
            run_tool(command, environment_of(self.database.dsn), behind=_ALOUD)
        except ToolFailed as error:
            # It counts a check that it could not make, without room for example, as a failed one.
            corrupt = error.values["code"] == _CORRUPT and not is_of_the_place(error)
            outcome: Outcome = "failed" if corrupt else "unknown"
            return Check(name="indexes", outcome=outcome, reason=str(error.values["reason"]))
        return Check(name="indexes", outcome="passed")

    def _sequences(self, connection: Connection[Any], sql: Statements) -> Check:
        found = tuple(_behind(connection, sql))
        lost = tuple(one for one in found if one.subject not in self.behind)
        if lost:
            return Check(name=_NUMBERS, outcome="failed", reason=_BEHIND, differences=lost)
        # The backup is faithful: it has what the source had.
        reason = _AS_AT_SOURCE if found else ""
        return Check(name=_NUMBERS, outcome="passed", reason=reason, differences=found)

    def _schema(self) -> Check:
        """What `agentpg schema verify` says."""
        if not self._has_tasks():
            return Check(name="schema", outcome="passed", reason=_NO_SCHEMA)
        wrong = [d for d in schemas.verify(reader_of(self.database)) if d.kind != "extra"]
        differences = tuple(
            Difference(subject=d.object, expected=d.expected or "", found=d.found or "")
            for d in wrong
        )
        if wrong:
            return Check(name="schema", outcome="failed", reason=_DIFFERS, differences=differences)
        return Check(name="schema", outcome="passed")

    def _guide(self) -> Check:
        """Whether the guide's queries run as they are written, by the search_path alone."""
        name = "queries of the guide"
        if not self._has_tasks():
            return Check(name=name, outcome="passed", reason=_NO_SCHEMA)
        failed = [
            *_tried(reader_of(self.database), GUIDE),
            # The tables' owners may do this, and the superuser.
            *_tried(self.database, (_GUIDE_VACUUM,)),
        ]
        if failed:
            return Check(
                name=name, outcome="failed", reason=failed[0].found, differences=tuple(failed)
            )
        return Check(name=name, outcome="passed")

    def _has_tasks(self) -> bool:
        """Whether the database has the engine's tables."""
        with connect(self.database, "agentpg backup drill") as connection:
            be_undisturbed(connection)
            sql = Statements("restore", self.database.schema)
            asked = {"schema": self.database.schema}
            [(there,)] = connection.execute(sql["has_tasks"], asked).fetchall()
        return bool(there)


def _tried(database: Database, queries: Sequence[str]) -> Iterator[Difference]:
    """The queries that do not run."""
    sql = Statements("restore", database.schema)
    with connect(database, "agentpg backup drill") as connection:
        for query in queries:
            try:
                connection.execute(sql[query], {"schema": database.schema})
            except ServerError as error:
                yield Difference(subject=query, expected="", found=server_message(error))


def _constraints(connection: Connection[Any], sql: Statements) -> Check:
    """What is not proved or not valid was so at the source: the catalogue has been compared."""
    unproved = [row[0] for row in connection.execute(sql["unproved_constraints"], {})]
    invalid = [row[0] for row in connection.execute(sql["invalid_indexes"], {})]
    for sentence, names in ((_NOT_PROVED, unproved), (_INVALID, invalid)):
        if names:
            listed = ", ".join(names[:_MOST_NAMES])
            reason = sentence.format(number=len(names), names=listed)
            return Check(name="constraints", outcome="passed", reason=reason)
    return Check(name="constraints", outcome="passed")


def _foreign_keys(connection: Connection[Any], sql: Statements) -> Check:
    broken = []
    for name, child, parent, joined, given in connection.execute(
        sql["foreign_keys"], {}
    ).fetchall():
        parts = {"child": child, "parent": parent, "joined": joined, "given": given}
        statement = sql.compose("orphans", **{n: Fragment(text) for n, text in parts.items()})
        [(rows,)] = connection.execute(statement, {}).fetchall()
        if rows:
            subject = f"{name} on {child}"
            broken.append(Difference(subject=subject, expected="0", found=str(rows)))
    if not broken:
        return Check(name="foreign keys", outcome="passed")
    return Check(name="foreign keys", outcome="failed", reason=_ORPHANS, differences=tuple(broken))


def _behind(connection: Connection[Any], sql: Statements) -> Iterator[Difference]:
    for sequence, table, column in connection.execute(sql["owned_sequences"]).fetchall():
        parts = {"sequence": sequence, "table": table, "column": column}
        statement = sql.compose(
            "sequence_is_behind", **{name: Fragment(text) for name, text in parts.items()}
        )
        if (True,) in connection.execute(statement, {"sequence": sequence}).fetchall():
            yield Difference(subject=sequence, expected=f"{table}.{column}", found="")
