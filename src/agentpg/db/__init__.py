"""The only room that imports the driver: connect, pool, named statements, the border."""

from psycopg import (
    AsyncConnection,
    AsyncCursor,
    Connection,
    Cursor,
    DatabaseError as ServerError,
    DataError,
    IntegrityError,
)
from psycopg.conninfo import make_conninfo
from psycopg.errors import (
    LockNotAvailable,
    QueryCanceled,
    ReadOnlySqlTransaction as ReadOnlyTransaction,
)
from psycopg.rows import (
    TupleRow,
    class_row,
    dict_row,
    kwargs_row,
    namedtuple_row,
    scalar_row,
    tuple_row,
)
from psycopg.sql import Composed
from psycopg.types.json import Jsonb

from agentpg.db.border import driver_errors, is_connection_lost, is_refused_value, server_message
from agentpg.db.connect import (
    Database,
    bare_signs,
    completed,
    connect,
    connect_async,
    environment_of,
    scram_verifier,
    unaffected,
)
from agentpg.db.conninfo import (
    Conninfo,
    by_service,
    password_file,
    password_for,
    read_conninfo,
    wrong_keys,
)
from agentpg.db.leading import Leading, service_file
from agentpg.db.listen import channel_of, listen, next_notifications, work_channel_of
from agentpg.db.pool import AsyncPool, Pool
from agentpg.db.pooler import Lasting, lasting, pin_plans, work_on
from agentpg.db.query import (
    Fragment,
    Statements,
    array_literal,
    compose_script,
    identifier,
    literal,
    render,
)
from agentpg.db.securing import configured, database_of, secured, sslmode_of
from agentpg.db.snapshot import snapshot
from agentpg.db.steady import SteadyConnection

__all__ = [
    "AsyncConnection",
    "AsyncCursor",
    "AsyncPool",
    "Composed",
    "Connection",
    "Conninfo",
    "Cursor",
    "DataError",
    "Database",
    "Fragment",
    "IntegrityError",
    "Jsonb",
    "Lasting",
    "Leading",
    "LockNotAvailable",
    "Pool",
    "QueryCanceled",
    "ReadOnlyTransaction",
    "ServerError",
    "Statements",
    "SteadyConnection",
    "TupleRow",
    "array_literal",
    "bare_signs",
    "by_service",
    "channel_of",
    "class_row",
    "completed",
    "compose_script",
    "configured",
    "connect",
    "connect_async",
    "database_of",
    "dict_row",
    "driver_errors",
    "environment_of",
    "identifier",
    "is_connection_lost",
    "is_refused_value",
    "kwargs_row",
    "lasting",
    "listen",
    "literal",
    "make_conninfo",
    "namedtuple_row",
    "next_notifications",
    "password_file",
    "password_for",
    "pin_plans",
    "read_conninfo",
    "render",
    "scalar_row",
    "scram_verifier",
    "secured",
    "server_message",
    "service_file",
    "snapshot",
    "sslmode_of",
    "tuple_row",
    "unaffected",
    "work_channel_of",
    "work_on",
    "wrong_keys",
]
