"""What can be done about a session that is seen: have its statement planned, or cancelled."""

from __future__ import annotations

from dataclasses import dataclass

from agentpg.db import (
    Connection,
    Database,
    Fragment,
    LockNotAvailable,
    ServerError,
    Statements,
    scalar_row,
    server_message,
)
from agentpg.desk.monitor.reading import Reader, reading
from agentpg.desk.monitor.sessions import Session
from agentpg.desk.monitor.statement_text import shown_line
from agentpg.errors import NotCancelled, NotExplained, PermissionDenied
from agentpg.language import N_

_GONE = N_("its session has ended")
_ELSEWHERE = N_("it runs in another database")
_NOT_TRUSTED = N_(
    "planning it may call functions of its role with the rights of this one; explain it as that "
    "role"
)
_CUT = N_("the server keeps only its beginning; raise track_activity_query_size")
_NOTHING_RUNS = N_("that statement does not run any more")
_LOCKED = N_("a table that it names is locked")
_REFUSED = N_("this role may not: it needs pg_signal_backend, and a superuser for a superuser's")

_SQL = Statements("monitor", "")


@dataclass(frozen=True, slots=True)
class _Explainable:
    trusted: bool
    here: bool
    cut: bool
    query: str


@dataclass(frozen=True, slots=True)
class _Asked:
    asked: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """The lines of a plan, and the search_path by which its names were found."""

    lines: tuple[str, ...]
    search_path: str


def explain(database: Database, session: Session) -> Plan:
    """The plan of the statement that a session runs or has run, for any parameters.

    Nothing runs. Only for sessions of the same role, since planning may call functions. Raises
    NotExplained, and the errors of the database.
    """
    with reading(database, "agentpg monitor explain") as reader:
        statement = _explainable(reader, session)
        with reader.question() as connection:
            try:
                return _plan(connection, statement)
            except LockNotAvailable:
                raise NotExplained(_LOCKED, pid=session.pid) from None
            except ServerError as error:
                raise NotExplained(shown_line(server_message(error)), pid=session.pid) from None


def _explainable(reader: Reader, session: Session) -> str:
    said = {"pid": session.pid, "started_at": session.started_at}
    found = reader.rows(_SQL, "may_explain", _Explainable, **said)
    if not found or not found[0].query.strip():
        raise NotExplained(_GONE, pid=session.pid)
    for wrong, reason in (
        (not found[0].here, _ELSEWHERE),
        (not found[0].trusted, _NOT_TRUSTED),
        (found[0].cut, _CUT),
    ):
        if wrong:
            raise NotExplained(reason, pid=session.pid)
    return found[0].query


def _plan(connection: Connection[tuple[object, ...]], statement: str) -> Plan:
    connection.execute(_SQL["search_as_ever"])
    connection.execute(_SQL["plan_for_any"])
    prepare = _SQL.compose("prepare_explained", statement=Fragment(statement.rstrip("; \n\t")))
    # In binary form, since only the extended protocol refuses a second statement.
    connection.execute(prepare, {}, binary=True)
    cursor = connection.cursor(row_factory=scalar_row)
    number = cursor.execute(_SQL["explained_parameters"]).fetchone() or 0
    given = Fragment(f"({', '.join(['NULL'] * number)})" if number else "")
    lines = cursor.execute(_SQL.compose("explain", parameters=given)).fetchall()
    connection.execute(_SQL["forget_explained"])
    searched = cursor.execute(_SQL["searched"]).fetchone()
    return Plan(tuple(shown_line(str(line)) for line in lines), str(searched))


def cancel(database: Database, session: Session) -> None:
    """Ask a session to end the statement that it was seen with.

    Raises NotCancelled where it does not run any more or this role may not.
    """
    said = {
        "pid": session.pid,
        "started_at": session.started_at,
        "query_started_at": session.query_started_at,
    }
    with reading(database, "agentpg monitor cancel") as reader:
        try:
            asked = reader.rows(_SQL, "cancel", _Asked, **said)
        except PermissionDenied:
            raise NotCancelled(_REFUSED, pid=session.pid) from None
    if not any(one.asked for one in asked):
        raise NotCancelled(_NOTHING_RUNS, pid=session.pid)
