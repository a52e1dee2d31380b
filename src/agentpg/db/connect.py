"""Open connections, synchronous and asynchronous, with the same manners."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from agentpg.db.border import driver_errors
from agentpg.db.pooler import spare_pooler, spare_pooler_async
from agentpg.db.query import Statements
from agentpg.errors import DatabaseUnavailable, SettingError
from agentpg.language import N_
from agentpg.settings import Settings, environment_with, libpq_variables

# libpq's variables that no private connection needs to be protected from: our own manners
# win over two of them, and an empty `service` is an error.
_HARMLESS = ("application_name", "connect_timeout", "service")

# What stands for the default where an empty value is none.
_NEUTRAL = {
    "max_protocol_version": "latest",
    "min_protocol_version": "3.0",
    "require_auth": "none,password,md5,gss,sspi,scram-sha-256",
}

# A dead peer is noticed within about half a minute instead of the kernel's two hours.
_MANNERS = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}


_SQL = Statements("session", "")


@dataclass(frozen=True, slots=True)
class Database:
    """Where one installation is: a libpq connection string and the name of the schema.

    An empty `dsn` means libpq's own defaults and variables. `silence` is why nobody answers,
    where that was found out just now: a connection then fails by it at once.
    """

    dsn: str
    schema: str = "agentic_ai"
    silence: DatabaseUnavailable | None = field(default=None, repr=False, compare=False)

    def conninfo(self, application_name: str) -> str:
        """The whole connection string; what the user said wins over our manners."""
        said = _parse(self.dsn)
        # What a service says of it wins over us.
        named = "fallback_application_name" if "service" in said else "application_name"
        return make_conninfo("", **{**_MANNERS, named: application_name[:63], **said})

    def without_password(self) -> str:
        """The connection string as it may be shown."""
        secret = ("password", "sslpassword")
        said = {n: v for n, v in _parse(self.dsn).items() if n not in secret or not v}
        return make_conninfo("", **said)

    def renamed(self, name: str) -> Database:
        """Another database of the same server."""
        return replace(self, dsn=make_conninfo(self.dsn, dbname=name))

    def as_role(self, name: str) -> Database:
        """The same as another role, which needs no password."""
        return replace(self, dsn=make_conninfo(self.dsn, user=name))

    def with_settings(self, **settings: str) -> Database:
        """The same with these settings for the session, whatever role and database prefer."""
        said = str(_parse(completed(self.dsn)).get("options") or "")
        given = [f"-c {name}={value}" for name, value in settings.items()]
        options = " ".join(filter(None, (said, *given)))
        return replace(self, dsn=make_conninfo(self.dsn, options=options))

    def with_patience(self, seconds: int) -> Database:
        """The same, waiting so long for a connection unless something says how long."""
        if "connect_timeout" in {**_environment_defaults(), **_parse(self.dsn)}:
            return self
        return replace(self, dsn=make_conninfo(self.dsn, connect_timeout=seconds))

    def by_way_of(self, dsn: str) -> Database:
        """Where another connection string leads, with the same schema; an empty one leads here.
        Where it names the same server, that is as silent."""
        if not dsn or self.silence is None:
            return replace(self, dsn=dsn or self.dsn)
        other = Database(dsn, self.schema)
        return replace(other, silence=self.silence) if self._is_beside(other) else other

    def _is_beside(self, other: Database) -> bool:
        try:
            return other.address() == self.address() and other.hostaddr() == self.hostaddr()
        except SettingError:
            # Nobody can read it, as who uses it says.
            return False

    def name(self) -> str:
        """What the database is called; empty where a service says it."""
        said = {**_environment_defaults(), **_parse(self.dsn)}
        return str(said.get("dbname") or ("" if said.get("service") else said.get("user")) or "")

    def address(self) -> tuple[str, int]:
        """The server's host, localhost for a socket of this machine, and its port.

        Of several hosts the port is the first one's, and the host all of them. A port that is
        none is 0; libpq says what is wrong with it.
        """
        said = {**_environment_defaults(), **_parse(self.dsn)}
        host = str(said.get("host") or said.get("hostaddr") or "")
        local = not host or (host.startswith(("/", "@")) and "," not in host)
        port = str(said.get("port") or "").split(",")[0] or "5432"
        number = int(port) if port.isascii() and port.isdigit() else 0
        return "localhost" if local else host, number

    def is_local(self) -> bool:
        """Whether it names one server, by an address of this machine.

        What answers there may still work elsewhere: behind a tunnel, a pooler, a container.
        """
        said = {**_environment_defaults(), **_parse(self.dsn)}
        if said.get("service") and not said.get("host"):
            # What that stands for is not known here.
            return False
        address = str(said.get("hostaddr") or "localhost")
        return _is_loopback(address) and _is_loopback(self.address()[0])

    def hostaddr(self) -> str:
        """The address that is connected to in place of the host's; empty where none is said."""
        said = {**_environment_defaults(), **_parse(self.dsn)}
        return str(said.get("hostaddr") or "")

    def is_remote(self) -> bool:
        """Whether it may lead to another machine by the network."""
        said = {**_environment_defaults(), **_parse(self.dsn)}
        return leads_elsewhere(str(said.get("hostaddr") or said.get("host") or ""))

    def user(self) -> str:
        """As whom; empty where nothing but the account's name says it."""
        return str({**_environment_defaults(), **_parse(self.dsn)}.get("user") or "")

    def target(self) -> str:
        """The server and database in words, for messages; never the password."""
        said = {**_environment_defaults(), **_parse(self.dsn)}
        if said.get("service") and not said.get("host"):
            return f"service {said['service']}"
        host = said.get("host") or said.get("hostaddr") or "the local socket"
        database = said.get("dbname") or said.get("user") or ""
        return f"{host}:{said.get('port') or 5432}/{database}".rstrip("/")


def named_by(settings: Settings) -> str | None:
    """The connection string of the settings and libpq's variables; None if none names a server."""
    libpq = _parameters(libpq_variables())
    naming = {"host", "hostaddr", "port", "dbname", "user", "service"}
    if not settings.dsn and not naming & libpq.keys():
        return None
    said = _parse(settings.dsn)
    if "host" in said:
        # A service would say again what the connection string says, and must then exist.
        libpq.pop("service", None)
    return make_conninfo("", **{**libpq, **said})


def leads_elsewhere(hosts: str) -> bool:
    """Whether one of these hosts or addresses, with commas between, may be another machine."""
    return not all(
        not one or one.startswith(("/", "@")) or _is_loopback(one) for one in hosts.split(",")
    )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def completed(dsn: str) -> str:
    """A connection string that says what libpq would take from its variables beside it, for
    programs that are given nothing else. Raises DatabaseUnavailable where a service says it."""
    said = _parse(dsn)
    libpq = _parameters(environment_with())
    if said.keys() & {"host", "hostaddr", "service"}:
        libpq = {n: v for n, v in libpq.items() if n not in ("host", "hostaddr", "service")}
    service = said.get("service") or libpq.get("service")
    if service:
        return _spelled_out(make_conninfo("", **{"service": service, **said}))
    return make_conninfo("", **{**libpq, **said})


def unaffected(**said: str | int | None) -> str:
    """A connection string that means the same whatever libpq's variables say.

    Where one is set that `said` says nothing of, the default of its parameter is said.
    """
    compiled = {
        default.keyword.decode(): (default.compiled or b"").decode()
        for default in psycopg.pq.Conninfo.get_defaults()
    }
    defaults = {**compiled, **_NEUTRAL}
    others = _parameters(libpq_variables()).keys() - said.keys() - set(_HARMLESS)
    return make_conninfo("", **said, **{name: defaults[name] for name in sorted(others)})


def environment_of(dsn: str) -> dict[str, str]:
    """The environment in which psql and its like go where `dsn` says, unless told otherwise.

    What libpq's variables say of the session, such as PGTZ, stays. Where `dsn` names a service,
    a connection says what that stands for: in variables a service would win over all that is
    said beside it, such as the name of the database. Raises DatabaseUnavailable then.
    """
    variables = _variables()
    if "service" in _parse(dsn):
        dsn = _spelled_out(dsn)
    about_session = {variables["application_name"], variables["client_encoding"]}
    replaced = set(variables.values()) - about_session
    kept = {name: value for name, value in environment_with().items() if name not in replaced}
    # Not every parameter has a variable: keepalives and the like only go with a connection.
    said = {variables[n]: str(v) for n, v in _parse(dsn).items() if v and n in variables}
    return {**kept, **said}


def _spelled_out(dsn: str) -> str:
    with driver_errors(Database(dsn).target()), psycopg.connect(dsn) as connection:
        said = {n: v for n, v in connection.info.get_parameters().items() if n != "service"}
        password = connection.info.password
    return make_conninfo("", **said, **({"password": password} if password else {}))


def connect(
    database: Database, application_name: str = "agentpg", *, autocommit: bool = True
) -> Connection[TupleRow]:
    """A synchronous connection. Raises DatabaseUnavailable or one of its kinds."""
    if database.silence is not None:
        raise database.silence.with_traceback(None)
    with driver_errors(database.target()):
        connection = psycopg.connect(database.conninfo(application_name), autocommit=True)
        try:
            attune(connection)
            connection.autocommit = autocommit
        except BaseException:
            connection.close()
            raise
        return connection


def attune(connection: Connection[Any]) -> None:
    """Have times and texts come as the driver reads them; through a pooler, prepare nothing."""
    for setting in _lacking(connection):
        connection.execute(_SQL[setting])
    spare_pooler(connection)


async def attune_async(connection: AsyncConnection[Any]) -> None:
    """Have times and texts come as the driver reads them; through a pooler, prepare nothing."""
    for setting in _lacking(connection):
        await connection.execute(_SQL[setting])
    await spare_pooler_async(connection)


def scram_verifier(connection: Connection[TupleRow], role: str, password: str) -> str:
    """What the server stores for a password, made here so that it never sees the password."""
    made = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    return made.decode()


async def connect_async(
    database: Database, application_name: str = "agentpg", *, autocommit: bool = True
) -> AsyncConnection[TupleRow]:
    """An asynchronous connection. Raises DatabaseUnavailable or one of its kinds."""
    with driver_errors(database.target()):
        connection = await AsyncConnection.connect(
            database.conninfo(application_name), autocommit=True
        )
        try:
            await attune_async(connection)
            await connection.set_autocommit(autocommit)
        except BaseException:
            await connection.close()
            raise
        return connection


def _lacking(connection: Connection[Any] | AsyncConnection[Any]) -> Iterator[str]:
    """The settings that it needs; the server tells its own with the connection, as poolers do."""
    if not (connection.info.parameter_status("DateStyle") or "").startswith("ISO"):
        yield "write_iso"
    if connection.info.parameter_status("client_encoding") == "SQL_ASCII":
        yield "write_utf8"


def bare_signs(dsn: str) -> bool:
    """Whether a URI has a sign in its user or password that ends these, so that libpq takes the
    rest of the password for a host, a port or a database, which messages would show."""
    scheme, _, rest = dsn.strip().partition("://")
    if scheme not in ("postgresql", "postgres"):
        return False
    authority, _, path = rest.partition("?")[0].partition("/")
    return authority.count("@") > 1 or "@" in path


def _parse(dsn: str) -> dict[str, Any]:
    if bare_signs(dsn):
        raise SettingError(
            N_("a sign of its user, password or database is not encoded"),
            hint=N_("In a URI, write @ as %40, / as %2F, : as %3A, # as %23 and % as %25."),
            name="AGENTPG_DSN",
            source=N_("the settings"),
        )
    try:
        return dict(conninfo_to_dict(dsn))
    except (psycopg.ProgrammingError, ValueError):
        raise SettingError(
            N_("it is not a connection string"),
            hint=N_(
                "Write it as postgresql://user@host:port/database "
                "or as host=… port=… dbname=… user=…."
            ),
            name="AGENTPG_DSN",
            source=N_("the settings"),
        ) from None


def _parameters(variables: dict[str, str]) -> dict[str, str]:
    """libpq's variables as connection parameters: PGHOST is host."""
    keywords = {variable: keyword for keyword, variable in _variables().items()}
    return {keywords[name]: value for name, value in variables.items() if name in keywords}


def _variables() -> dict[str, str]:
    """Connection parameter to libpq's variable."""
    return {
        default.keyword.decode(): default.envvar.decode()
        for default in psycopg.pq.Conninfo.get_defaults()
        if default.envvar
    }


def _environment_defaults() -> dict[str, str]:
    return {
        default.keyword.decode(): default.val.decode()
        for default in psycopg.pq.Conninfo.get_defaults()
        if default.val
    }
