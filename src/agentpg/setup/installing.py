"""The steps that prepare an existing server; each does nothing where it was done before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from agentpg.db import (
    Connection,
    Database,
    Fragment,
    Statements,
    TupleRow,
    class_row,
    connect,
    driver_errors,
    identifier,
    literal,
    make_conninfo,
    render,
    scalar_row,
    scram_verifier,
)
from agentpg.errors import AgentpgError
from agentpg.schema.migrations import (
    apply_pending,
    pending_migrations,
    released_migrations,
    transactions,
)
from agentpg.schema.searchpath import first_search_path_statements, search_path_statements
from agentpg.setup.administrator import Administrator
from agentpg.setup.passwords import PasswordFile

# What stands for the password in a printed script: psql -v password=…
_PASSWORD_VARIABLE = Fragment(":'password'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What shall be there, and how its clients reach the server.

    `passfile` is where the role's password is written, in libpq's .pgpass format; `tls` is what
    the connection string says of it, such as sslmode.
    """

    passfile: Path
    host: str = "localhost"
    port: int = 5432
    role: str = "admin"
    database: str = "agentic_ai"
    schema: str = "agentic_ai"
    tls: Mapping[str, str] = field(default_factory=dict)

    def dsn(self, *, passfile: bool = True) -> str:
        """The connection string of clients, which names the file with the password."""
        known = passfile and self.password_file().knows()
        return make_conninfo(
            "",
            host=self.host,
            port=self.port,
            dbname=self.database,
            user=self.role,
            passfile=str(self.passfile) if known else None,
            **self.tls,
        )

    def password_file(self) -> PasswordFile:
        """Where its password is, or will be."""
        return PasswordFile(self.passfile, self.host, self.port, self.role)


@dataclass(frozen=True, slots=True)
class Done:
    """One step: `step` is role, database, schema, search_path or migrations.

    `statements` were run; none where there was nothing to do.
    """

    step: str
    object: str
    statements: list[str]


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the server has already; `owner` is that of the database, None without one."""

    has_role: bool
    owner: str | None
    may_create: bool
    is_superuser: bool
    is_member: bool


def set_up(administrator: Administrator, target: Target) -> Iterator[Done]:
    """Make what is missing, step by step; each step is given when it is done.

    Raises the errors of the database, and FileNotWritten where the password cannot be kept.
    """
    with administrator.connect() as server, _errors(server):
        yield _make_role(server, target)
        yield _make_database(server, target)
    with administrator.connect(target.database) as inside, _errors(inside):
        yield _make_schema(inside, target)
        yield _set_search_path(inside, target)
        yield _migrate(inside, target)


def setup_script(administrator: Administrator, target: Target) -> str:
    """What `set_up` would run now, as a script for psql as the administrator.

    The password is the variable `password` of psql. Empty where there is nothing to do.
    """
    with administrator.connect() as server, _errors(server):
        facts = _facts(server, target)
        outside = [
            *_role_statements(server, target, facts, _PASSWORD_VARIABLE),
            *_database_statements(server, target, facts),
        ]
        if facts.owner is None:
            return _script(target, outside, _inside_new(server, target))
    with administrator.connect(target.database) as inside, _errors(inside):
        return _script(target, outside, _inside_present(inside, target))


def try_login(target: Target) -> AgentpgError | None:
    """Why the role cannot log in as clients do; None if it can."""
    try:
        connect(Database(target.dsn(), target.schema), "agentpg setup").close()
    except AgentpgError as error:
        return error
    return None


def _make_role(server: Connection[TupleRow], target: Target) -> Done:
    facts = _facts(server, target)
    if facts.has_role:
        return Done("role", target.role, _run(server, _role_statements(server, target, facts)))
    file = target.password_file()
    verifier = scram_verifier(server, target.role, file.make())
    try:
        statements = _role_statements(server, target, facts, Fragment(literal(verifier)))
        _run(server, statements)
    except BaseException:
        file.forget()
        raise
    return Done("role", target.role, statements)


def _make_database(server: Connection[TupleRow], target: Target) -> Done:
    statements = _database_statements(server, target, _facts(server, target))
    return Done("database", target.database, _run(server, statements))


def _make_schema(inside: Connection[TupleRow], target: Target) -> Done:
    return Done("schema", target.schema, _run(inside, _schema_statements(inside, target)))


def _set_search_path(inside: Connection[TupleRow], target: Target) -> Done:
    with inside.transaction():
        statements = search_path_statements(inside, target.schema, target.role)
        return Done("search_path", target.database, _run(inside, statements))


def _migrate(inside: Connection[TupleRow], target: Target) -> Done:
    _run(inside, [_render(inside, target, "act_as")])
    applied = apply_pending(inside, target.schema, released_migrations())
    return Done("migrations", target.schema, [str(migration) for migration in applied])


def _role_statements(
    server: Connection[TupleRow],
    target: Target,
    facts: _Facts,
    password: Fragment = _PASSWORD_VARIABLE,
) -> list[str]:
    statements = []
    if not facts.has_role:
        statements.append(_render(server, target, "create_role", password=password))
    if not facts.is_superuser and not facts.is_member:
        statements.append(_render(server, target, "join_role"))
    return statements


def _database_statements(server: Connection[TupleRow], target: Target, facts: _Facts) -> list[str]:
    if facts.owner is None:
        return [_render(server, target, "create_database")]
    return [] if facts.may_create else [_render(server, target, "grant_database")]


def _schema_statements(inside: Connection[TupleRow], target: Target) -> list[str]:
    cursor = inside.cursor(row_factory=scalar_row)
    cursor.execute(Statements("setup", target.schema)["has_schema"], {"schema": target.schema})
    return [] if cursor.fetchall()[0] else [_render(inside, target, "create_schema")]


def _inside_new(server: Connection[TupleRow], target: Target) -> list[str]:
    """What is run in a database that is not there yet."""
    path = first_search_path_statements(server, target.schema, target.database, target.role)
    return [
        f"{_render(server, target, 'create_schema')};",
        _transaction(path),
        f"{_render(server, target, 'act_as')};",
        *transactions(server, target.schema, released_migrations()),
    ]


def _inside_present(inside: Connection[TupleRow], target: Target) -> list[str]:
    """What is left to run in the database that is there."""
    path = search_path_statements(inside, target.schema, target.role)
    pending = pending_migrations(inside, target.schema, released_migrations())
    parts = [f"{s};" for s in _schema_statements(inside, target)]
    parts += [_transaction(path)] if path else []
    if pending:
        act_as = f"{_render(inside, target, 'act_as')};"
        parts += [act_as, *transactions(inside, target.schema, pending)]
    return parts


def _script(target: Target, outside: list[str], inside: list[str]) -> str:
    if not outside and not inside:
        return ""
    parts = ["\\set ON_ERROR_STOP on", *(f"{statement};" for statement in outside)]
    if inside:
        parts += [f"\\connect {identifier(target.database)}", *inside]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _transaction(statements: list[str]) -> str:
    return "\n".join(["BEGIN;", *(f"{statement};" for statement in statements), "COMMIT;"])


def _run(connection: Connection[TupleRow], statements: list[str]) -> list[str]:
    for statement in statements:
        connection.execute(statement.encode())
    return statements


def _render(connection: Connection[TupleRow], target: Target, name: str, **more: str) -> str:
    names = {"role": target.role, "database": target.database, **more}
    return render(connection, Statements("setup", target.schema).compose(name, **names))


def _facts(server: Connection[TupleRow], target: Target) -> _Facts:
    cursor = server.cursor(row_factory=class_row(_Facts))
    names = {"role": target.role, "database": target.database}
    return cursor.execute(Statements("setup", target.schema)["facts"], names).fetchall()[0]


def _errors(connection: Connection[TupleRow]) -> AbstractContextManager[None]:
    info = connection.info
    return driver_errors(f"{info.host}:{info.port}/{info.dbname}")
