"""Having a statement planned, or run and measured, so that it can do no harm.

The server itself takes one statement that has a plan, and nothing else. It is planned in a
transaction that may only read; where it runs, it does so in the same way, or, if that is said, in
one that may write and is rolled back. What is a write is the server's to say, also of functions.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from agentpg.db import (
    Connection,
    Database,
    Fragment,
    LockNotAvailable,
    QueryCanceled,
    ReadOnlyTransaction,
    ServerError,
    Statements,
    connect,
    driver_errors,
    is_connection_lost,
    literal,
    scalar_row,
    server_message,
    tuple_row,
)
from agentpg.desk.doctor.fixing import statements_in
from agentpg.desk.extensions import schema_of
from agentpg.desk.redacting import redact
from agentpg.desk.tune.plans.tree import Plan, TableFact, plan_of
from agentpg.errors import (
    EffectStays,
    ParametersMissing,
    PermissionDenied,
    QueryNotFound,
    SeveralStatements,
    StatementLocked,
    StatementNotPlanned,
    StatementOfOthers,
    StatementsNotKept,
    StatementTooSlow,
    WriteNotRun,
)
from agentpg.language import N_

_SQL = Statements("plans", "")

# From here on EXPLAIN itself plans for any parameters.
_GENERIC_SINCE = 160000

_NOT_ALLOWED = "42501"
_SYNTAX = "42601"

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)

_EXPLAIN = N_("it is no statement that has a plan")
_RULES = N_("rules of its table make something else of it")

# What these do is seen at once, or done elsewhere: no rollback takes it back. By PostgreSQL's
# documentation, chapters 9.28 and 33.3, and that of dblink and adminpack.
_LASTING = re.compile(
    r"""(?<![\w$])"?(
        pg_(?:terminate|cancel)_backend | pg_reload_conf | pg_rotate_logfile | pg_promote
        | pg_switch_wal | pg_create_restore_point | pg_backup_(?:start|stop)
        | pg_wal_replay_(?:pause|resume) | pg_log_(?:backend_memory_contexts|standby_snapshot)
        | pg_(?:create|drop|copy)_(?:physical|logical)_replication_slot
        | pg_drop_replication_slot | pg_replication_slot_advance
        | pg_logical_slot_get_(?:binary_)?changes | pg_logical_emit_message
        | pg_replication_origin_\w+ | pg_stat_(?:statements_)?reset\w* | lo_export
        | pg_file_(?:write|unlink|rename|sync) | dblink\w*
        | pg_(?:try_)?advisory_lock(?:_shared)? | setval | nextval
    )"?\s*\(""",
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of a statement.

    `parameters` are the values of $1 and so on, as text; without them it is planned for any.
    `analyze` runs it, and `write` lets it change what is then rolled back.
    """

    statement: str
    parameters: tuple[str, ...] = ()
    analyze: bool = False
    write: bool = False
    timeout: timedelta = timedelta(seconds=30)

    @property
    def limit(self) -> str:
        """`timeout` for PostgreSQL, where 0 is without end."""
        return f"{max(round(self.timeout / timedelta(milliseconds=1)), 1)}ms"


def read_plan(database: Database, question: Question) -> Plan:
    """The plan of a statement.

    Raises StatementNotPlanned, SeveralStatements, WriteNotRun, StatementTooSlow, StatementLocked,
    ParametersMissing,
    EffectStays, PermissionDenied, and the errors of the database.
    """
    with (
        driver_errors(database.target()),
        connect(database, "agentpg tune explain") as connection,
    ):
        return plan_on(connection, question)


def plan_on(connection: Connection[Any], question: Question) -> Plan:
    """The same on a connection that is in no transaction. Raises the same."""
    name = f"agentpg_{secrets.token_hex(6)}"
    with _said(question), connection.transaction(force_rollback=True):
        # Before the first statement, or it is too late.
        if not (question.analyze and question.write):
            connection.execute(_SQL["only_read"])
        connection.execute(_SQL["be_bounded"], {"limit": question.limit})
        number = _prepare(connection, name, question.statement)
        if question.parameters or question.analyze:
            _require(question, number)
        if question.analyze:
            _require_passing(connection, name, question, number)
        plan = _plan(connection, name, question, number)
        connection.execute(_SQL.compose("forget", prepared=name))
        return plan


def query_of(database: Database, query_id: int) -> str:
    """The text of a statement of pg_stat_statements, by its `queryid`.

    Raises StatementsNotKept, QueryNotFound, and StatementOfOthers.
    """
    with (
        driver_errors(database.target()),
        connect(database, "agentpg tune explain") as connection,
    ):
        extension = schema_of(connection, "pg_stat_statements")
        if extension is None:
            raise StatementsNotKept(N_("it is not in this database"))
        statement = _SQL.compose("read_query", extension=extension)
        try:
            row = connection.execute(statement, {"number": query_id}).fetchone()
        except ServerError as error:
            raise StatementsNotKept(server_message(error)) from None
    # The server may have lost the text of one that it still counts.
    if row is None or row[0] is None:
        raise QueryNotFound(query_id=query_id)
    query, trusted = row
    if not trusted:
        raise StatementOfOthers(query_id=query_id)
    return str(query)


@contextmanager
def _said(question: Question) -> Iterator[None]:
    """What the server says of the statement, in our errors."""
    try:
        yield
    except LockNotAvailable as error:
        raise StatementLocked(redact(server_message(error))) from None
    except QueryCanceled:
        raise StatementTooSlow(seconds=f"{question.timeout.total_seconds():g}") from None
    except ReadOnlyTransaction as error:
        raise WriteNotRun(server_message(error)) from None
    except ServerError as error:
        if is_connection_lost(error):
            raise
        if error.sqlstate == _NOT_ALLOWED:
            raise PermissionDenied(server_message(error)) from None
        if error.sqlstate == _SYNTAX and (count := _count(question.statement)) > 1:
            raise SeveralStatements(count=count) from None
        raise StatementNotPlanned(redact(server_message(error))) from None


def _count(text: str) -> int:
    """How many statements there are, where the server took it for none."""
    return sum(bool(_COMMENT.sub("", one).strip()) for one in statements_in(text))


def _prepare(connection: Connection[Any], name: str, statement: str) -> int:
    """Have it parsed; how many parameters it has."""
    text = statement.strip().rstrip("; \n\t")
    if not text or "\0" in text:
        raise StatementNotPlanned(_EXPLAIN)
    prepare = _SQL.compose("prepare", prepared=name, statement=Fragment(text))
    # In binary form, since only the extended protocol refuses a second statement.
    connection.execute(prepare, {}, binary=True)
    cursor = connection.cursor(row_factory=scalar_row)
    return int(cursor.execute(_SQL["count_parameters"], {"name": name}).fetchone() or 0)


def _require(question: Question, number: int) -> None:
    if len(question.parameters) != number:
        raise ParametersMissing(count=number, given=len(question.parameters))


def _require_passing(
    connection: Connection[Any], name: str, question: Question, number: int
) -> None:
    """Refuse what a rollback leaves done, also where a view or an inlined function has it.

    Raises EffectStays; what a function does within it can't be seen.
    """
    planned = replace(question, analyze=False)
    document = _document(connection, name, planned, number, values=question.parameters)
    found = _LASTING.search(f"{question.statement} {json.dumps(document)}")
    # A read-only transaction refuses what writes sequences by itself.
    if found and (question.write or found[1].lower() not in ("nextval", "setval")):
        raise EffectStays(function=found[1])


def _plan(connection: Connection[Any], name: str, question: Question, number: int) -> Plan:
    given = bool(question.parameters)
    generic = number > 0 and not given
    any_cost = None
    if given:
        # Planned for any as well: a prepared statement may end with that plan.
        any_cost = _document(connection, name, question, number, values=())["Plan"]["Total Cost"]
    document = _document(connection, name, question, number, values=question.parameters)
    cost = document["Plan"]["Total Cost"]
    return plan_of(
        document,
        question.statement,
        generic=generic,
        tables=_tables(connection, document),
        costs=(cost, any_cost) if given else (None, None),
    )


def _document(
    connection: Connection[Any],
    name: str,
    question: Question,
    number: int,
    *,
    values: Sequence[str],
) -> Any:
    for_any = number > 0 and not values
    mode = "force_generic_plan" if for_any else "force_custom_plan"
    connection.execute(_SQL["plan_for_any"], {"mode": mode})
    # What was planned before without parameters would be kept, and not be timed.
    connection.execute(_SQL["plan_anew"])
    if for_any and connection.info.server_version >= _GENERIC_SINCE:
        text = question.statement.strip().rstrip("; \n\t")
        statement = _SQL.compose("explain_any", statement=Fragment(text))
        cursor = connection.cursor(row_factory=scalar_row)
        # It is one statement, since the server has prepared it; bound parameters it has none.
        return _parsed(cursor.execute(statement, {}).fetchone())
    spelled = [literal(value) for value in values] or ["NULL"] * number
    given = Fragment(f"({', '.join(spelled)})" if spelled else "")
    verb = "explain_analyze" if question.analyze and not for_any else "explain"
    cursor = connection.cursor(row_factory=scalar_row)
    statement = _SQL.compose(verb, prepared=name, parameters=given)
    return _parsed(cursor.execute(statement, {}).fetchone())


def _parsed(said: Any) -> Any:
    """The only element of EXPLAIN's list."""
    if isinstance(said, bytes):
        said = said.decode()
    told = json.loads(said) if isinstance(said, str) else said
    if not told or not isinstance(told[0], dict) or "Plan" not in told[0]:
        raise StatementNotPlanned(_RULES)
    return told[0]


def _tables(connection: Connection[Any], document: Any) -> dict[str, TableFact]:
    names = sorted(set(_names(document["Plan"])))
    cursor = connection.cursor(row_factory=tuple_row)
    rows = cursor.execute(_SQL["read_tables"], {"names": names}).fetchall()
    return {
        name: TableFact(name=name, quoted=quoted, rows=number, partitioned=parted)
        for name, quoted, number, parted in rows
    }


def _names(node: Any) -> Iterator[str]:
    if "Relation Name" in node and "Schema" in node:
        yield f"{node['Schema']}.{node['Relation Name']}"
    for one in node.get("Plans") or ():
        yield from _names(one)
