"""Looking at a server for an audit: each question reads only, waits for no lock, and ends soon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from agentpg.db import Database, Statements, configured, connect, secured, sslmode_of
from agentpg.desk.check import Unlooked, looked
from agentpg.desk.doctor.disk.looking import as_administrator
from agentpg.desk.monitor.reading import Reader
from agentpg.desk.security.audit import facts as seen
from agentpg.desk.security.audit.files import changed_at, look_at_files
from agentpg.desk.security.audit.guessing import judge
from agentpg.desk.security.audit.names import OVERRIDABLE, POWERS, SETTINGS
from agentpg.settings import Settings

T = TypeVar("T")

# All of them together must stay below fifteen seconds, also where there are many objects.
_LONGEST = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class _Moment:
    at: datetime | None


@dataclass(frozen=True, slots=True)
class _Name:
    name: str


@dataclass(frozen=True, slots=True)
class _RoleName:
    role: str


@dataclass(frozen=True, slots=True)
class _Number:
    number: int


@dataclass(frozen=True, slots=True)
class _Verifier:
    role: str
    verifier: str


def look_at_security(database: Database, settings: Settings) -> seen.Facts:
    """Look at everything, on the private server as its superuser, else as who asks.

    Raises DatabaseUnavailable, and what the first question raises.
    """
    administrator = as_administrator(database, settings)
    private = administrator is not database
    with connect(administrator, "agentpg security") as connection:
        reader = Reader(administrator, connection, _LONGEST)
        return _Look(administrator, reader, settings, private=private).facts()


class _Look:
    """One look over one connection."""

    def __init__(
        self, database: Database, reader: Reader, settings: Settings, *, private: bool
    ) -> None:
        self._database = database
        self._reader = reader
        self._settings = settings
        self._private = private
        self._sql = Statements("security_audit", database.schema)

    def facts(self) -> seen.Facts:
        """All of it."""
        schema = self._database.schema
        server = self._reader.row(self._sql, "server", seen.Server, schema=schema)
        found = self._reader.rows(self._sql, "settings", seen.Setting, names=list(SETTINGS))
        settings = {one.name: one for one in found}
        files = look_at_files(self._database, self._reader, settings)
        return seen.Facts(
            server=server,
            schema=schema,
            settings=settings,
            hba=self._all("hba", seen.HbaLine),
            hba_changed_at=self._hba_changed(),
            idents=self._all("idents", seen.Ident),
            roles=self._all("roles", seen.Role),
            passwords=self._passwords(),
            powers=self._all("powers", seen.Power, powers=list(POWERS)),
            groups=self._all("groups", seen.Group),
            admin_options=self._all("admin_options", seen.AdminOption),
            open_schemas=self._names("schemas"),
            public_relations=self._all("public_relations", seen.PublicRelation),
            public_functions=self._number("public_functions", schema=schema),
            public_defaults=self._all("public_defaults", seen.PublicDefault),
            grant_options=self._all("grant_options", seen.GrantOption),
            direct_grants=self._all("direct_grants", seen.DirectGrant),
            ownerships=self._all("owners", seen.Ownership),
            makers=self._makers(),
            definers=self._all("definers", seen.Definer),
            open_views=self._all("open_views", seen.OpenView),
            guarded=self._all("guarded", seen.Guarded),
            tenants=self._all("tenants", seen.Tenants, schema=schema),
            languages=self._all("languages", seen.Language),
            extensions=self._all("extensions", seen.Extension),
            mappings=self._all("mappings", seen.Account),
            subscriptions=self._all("subscriptions", seen.Subscription),
            sensitive=self._all("sensitive", seen.Sensitive),
            unhashed=self._number("unhashed") if server.has_schema else 0,
            sessions=self._all("sessions", seen.PlainSession),
            overrides=self._all("overrides", seen.Override, names=list(OVERRIDABLE)),
            parameters=self._all("parameters", seen.Parameter),
            files=files,
            dsns=_dsns(self._settings),
            rotated_at=self._rotated_at(),
            private=self._private,
        )

    def _all(self, statement: str, kind: type[T], /, **values: object) -> tuple[T, ...] | Unlooked:
        return looked(lambda: tuple(self._reader.rows(self._sql, statement, kind, **values)))

    def _number(self, statement: str, /, **values: object) -> int | Unlooked:
        return looked(lambda: self._reader.row(self._sql, statement, _Number, **values).number)

    def _names(self, statement: str) -> tuple[str, ...] | Unlooked:
        found = self._all(statement, _Name)
        return found if isinstance(found, Unlooked) else tuple(one.name for one in found)

    def _makers(self) -> tuple[str, ...] | Unlooked:
        found = self._all("makers", _RoleName, schema=self._database.schema)
        return found if isinstance(found, Unlooked) else tuple(one.role for one in found)

    def _hba_changed(self) -> datetime | Unlooked:
        def ask() -> datetime:
            moment = self._reader.row(self._sql, "hba_changed", _Moment).at
            if moment is None:
                raise FileNotFoundError(2, "No such file or directory")
            return moment

        return looked(ask)

    def _passwords(self) -> seen.Passwords | Unlooked:
        def ask() -> seen.Passwords:
            rows = self._reader.rows(self._sql, "verifiers", _Verifier)
            return judge([(row.role, row.verifier) for row in rows])

        return looked(ask)

    def _rotated_at(self) -> datetime | None:
        """When the private server's passwords were written; of others there is no record."""
        if not self._private:
            return None
        return changed_at(self._settings.home.expanduser().absolute() / "pgpass")


def _dsns(settings: Settings) -> Sequence[seen.Dsn]:
    """The connection strings of ours that name a server."""
    database = configured(settings)
    named = {
        "dsn": database.dsn if database else "",
        "dsn_admin": settings.dsn_admin,
        "dsn_monitor": settings.dsn_monitor,
        "dsn_backup": settings.dsn_backup,
    }
    return tuple(_dsn(name, secured(dsn, settings)) for name, dsn in named.items() if dsn)


def _dsn(name: str, dsn: str) -> seen.Dsn:
    database = Database(dsn)
    return seen.Dsn(
        setting=name,
        host=database.address()[0],
        local=not database.is_remote(),
        sslmode=sslmode_of(dsn),
    )
