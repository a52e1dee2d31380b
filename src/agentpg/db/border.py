"""The border: the driver's errors become ours here, and nowhere else."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Any

import psycopg
from psycopg import errors as pg
from psycopg_pool import PoolTimeout

from agentpg.errors import (
    AgentpgError,
    DatabaseError,
    DatabaseMissing,
    DatabaseUnavailable,
    InvalidTask,
    LoginRefused,
    PermissionDenied,
    SchemaMissing,
    ServerBusy,
    ServerInRecovery,
    ServerReadOnly,
    ServerStarting,
    ServerUnproved,
    TooManyConnections,
)

# While connecting, libpq gives no SQLSTATE, only the server's text. Where a text is not
# recognised (another language, say) the error is still DatabaseUnavailable with it.
_WHILE_CONNECTING: tuple[tuple[str, type[AgentpgError]], ...] = (
    (
        r"does not support SSL|certificate verify failed|does not match host name"
        r"|root certificate file|verified SSL connection",
        ServerUnproved,
    ),
    (r"starting up|shutting down|not yet accepting", ServerStarting),
    (r"too many (clients|connections)|connection slots", TooManyConnections),
    (r"database .* does not exist", DatabaseMissing),
    (r"authentication failed|no pg_hba.conf|no password|role .* does not exist", LoginRefused),
)

# What passes by itself or after somebody makes room: transaction conflicts (40), resources
# (53: disk full, out of memory), a lock not to be had (55P03), operator's intervention (57).
_PASSING = ("40", "53", "55P03", "57")


Connection = psycopg.Connection[Any] | psycopg.AsyncConnection[Any]


class driver_errors:  # noqa: N801 - read as a statement: with driver_errors(target):
    """Within it, an error of the driver is raised as the most specific of ours.

    The `connection` that is used, where there is one, lets a standby be told from a setting.
    """

    __slots__ = ("_connection", "_target")

    def __init__(self, target: str, connection: Connection | None = None) -> None:
        self._target = target
        self._connection = connection

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, PoolTimeout):
            raise TooManyConnections(target=self._target) from None
        if isinstance(error, psycopg.Error):
            raise translate(error, self._target, self._connection) from error


def translate(
    error: psycopg.Error, target: str, connection: Connection | None = None
) -> AgentpgError:
    """Our error for one of the driver's, which came of this connection."""
    if is_connection_lost(error):
        return _while_connecting(error, target)
    if (error.sqlstate or "").startswith(_PASSING):
        return ServerBusy(server_message(error), target=target)
    match error:
        case pg.ReadOnlySqlTransaction():
            return _read_only(error, target, connection)
        case pg.InsufficientPrivilege():
            return PermissionDenied(server_message(error))
        case (
            pg.UndefinedTable()
            | pg.InvalidSchemaName()
            | pg.UndefinedColumn()
            | pg.UndefinedFunction()
        ):
            return SchemaMissing(server_message(error))
        case pg.CheckViolation() | pg.NotNullViolation() | pg.StringDataRightTruncation():
            return InvalidTask(server_message(error))
    return DatabaseError(server_message(error))


def is_connection_lost(error: BaseException) -> bool:
    """Whether the connection is gone or could not be made; trying again may help."""
    if isinstance(error, DatabaseUnavailable | PoolTimeout):
        return True
    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    code = error.sqlstate
    # Classes 08 (connection), 53300 (too many), 57P01..57P03 (shut down, crash, starting).
    return code is None or code.startswith(("08", "57P")) or code == "53300"


def is_refused_value(error: BaseException) -> bool:
    """Whether the server refused one of the values themselves; trying again cannot help."""
    return isinstance(error, psycopg.DataError | psycopg.IntegrityError)


def server_message(error: BaseException) -> str:
    """The first line of what the server said, without its context."""
    text = getattr(getattr(error, "diag", None), "message_primary", None) or str(error)
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__


def _read_only(error: psycopg.Error, target: str, connection: Connection | None) -> AgentpgError:
    # The same error comes of a standby and of default_transaction_read_only. The server
    # reports which it is with the connection, and a promotion too: nothing has to be asked.
    open_one = None if connection is None or connection.closed else connection
    if open_one is not None and open_one.info.parameter_status("in_hot_standby") == "on":
        return ServerInRecovery(target=target)
    return ServerReadOnly(server_message(error), target=target)


def _while_connecting(error: BaseException, target: str) -> AgentpgError:
    text = str(error).strip()
    reason = _last_reason(text)
    for pattern, kind in _WHILE_CONNECTING:
        if re.search(pattern, text, re.IGNORECASE):
            return kind(reason, target=target)
    return DatabaseUnavailable(reason, target=target)


def _last_reason(text: str) -> str:
    """What libpq says last: the server's own FATAL line, or the system's reason."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    wanted = [line for line in lines if "FATAL:" in line or "failed:" in line] or lines[:1]
    last = wanted[-1] if wanted else "the connection was lost"
    return re.sub(r"^.*(?:FATAL:\s*|failed:\s*(?:error:\s*)?)", "", last)
