"""Looking at what decides who gets in: the server's word, and its files where they are here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from agentpg.db import (
    Connection,
    Database,
    Statements,
    class_row,
    connect,
    driver_errors,
    secured,
    sslmode_of,
    tuple_row,
)
from agentpg.desk.check import Unlooked, looked
from agentpg.desk.doctor.disk.asking import Asking
from agentpg.desk.doctor.disk.data_folder import folder_of_process, why_not_of
from agentpg.desk.doctor.disk.looking import as_monitor
from agentpg.desk.hba.matching import Known
from agentpg.desk.hba.reading import Line, read_lines
from agentpg.desk.hba.rules import Rule
from agentpg.desk.security.addresses.facts import (
    Facts,
    OpenSessions,
    OurWay,
    Role,
    Server,
)
from agentpg.desk.security.addresses.pending import Change, kept_for
from agentpg.desk.security.tls.facts import RevokedList, Shown
from agentpg.desk.security.tls.reading import read_certificate, read_revoked, shown_by
from agentpg.desk.security.tls.store import issued_in
from agentpg.language import N_
from agentpg.settings import Settings

T = TypeVar("T")

NOT_HERE = Unlooked(N_("the server's files are not to be seen from here"))
_UNSEEN = Unlooked(N_("only a superuser, or a member of pg_read_all_settings, may see it"))
_SESSIONS_UNSEEN = Unlooked(N_("only members of pg_read_all_stats see others' sessions"))

_OUR_SETTINGS = ("dsn", "dsn_admin", "dsn_monitor", "dsn_backup")
_SAFE_MODE = "verify-full"


def look_at_addresses(database: Database, settings: Settings) -> Facts:
    """Look at everything. Raises DatabaseUnavailable; what else fails is Unlooked."""
    asked = as_monitor(database, settings)
    with connect(asked, "agentpg security") as connection:
        connection.execute(Statements("addresses", asked.schema)["patience"])
        return _Look(asked, settings, connection).facts()


def find_folder(database: Database, settings: Settings) -> Path | Unlooked:
    """The data folder of a server of this machine, if it is its for certain."""
    with connect(database, "agentpg security") as connection:
        look = _Look(database, settings, connection)
        return look.folder


def _folder_of(
    database: Database, settings: Settings, connection: Connection[Any], said: str | None
) -> Path | Unlooked:
    home = settings.home.expanduser().absolute() / "postgresql" / "data"
    asking = Asking(database, connection)
    cluster, number = asking.cluster(), asking.backend()
    if isinstance(cluster, Unlooked):
        return cluster
    works_in = None if isinstance(number, Unlooked) else folder_of_process(number)
    named = [Path(one) for one in (said, settings.data_folder) if one]
    for folder in (*([works_in] if works_in else []), *named, home):
        if why_not_of(folder, cluster) is None:
            return folder
    return NOT_HERE


class _Look:
    def __init__(self, database: Database, settings: Settings, connection: Connection[Any]) -> None:
        self._database = database
        self._settings = settings
        self._connection = connection
        self._sql = Statements("addresses", database.schema)
        self._server = looked(lambda: self._all("read_server", class_row(Server))[0])
        said = None if isinstance(self._server, Unlooked) else self._server.data_folder
        self.folder = _folder_of(database, settings, connection, said)
        self._hba = self._find_hba()

    def facts(self) -> Facts:
        """All of it."""
        rules = looked(lambda: tuple(self._all("read_rules", class_row(Rule))))
        roles = looked(lambda: tuple(self._all("read_roles", class_row(Role))))
        databases = looked(lambda: self._names("read_databases"))
        lines = self._lines(rules)
        return Facts(
            now=datetime.now(UTC),
            server=self._server,
            folder=self.folder,
            hba=self._hba,
            lines=lines,
            rules=rules,
            roles=roles,
            databases=databases,
            known=self._known(lines, roles, databases),
            changed=self._changed(),
            waits=self._waits(),
            md5_roles=looked(lambda: self._names("read_md5_roles")),
            passworded=looked(lambda: self._names("read_passworded_roles")),
            open_sessions=looked(self._open_sessions),
            certificate=self._certificate(),
            key_mode=self._key_mode(),
            revoked=self._revoked(),
            ways=tuple(_ways(self._settings, self._database)),
            issued=issued_in(self._settings.home.expanduser().absolute()),
            remote_sessions=self._remote_sessions(),
        )

    def _find_hba(self) -> Path | Unlooked:
        if isinstance(self._server, Unlooked) or isinstance(self.folder, Unlooked):
            return NOT_HERE
        server = self._server
        said = Path(server.hba_file or "pg_hba.conf")
        if server.data_folder and said.is_relative_to(server.data_folder):
            # A server may know its folder by a name that only it can follow.
            said = said.relative_to(server.data_folder)
        return self.folder / said

    def _lines(self, rules: tuple[Rule, ...] | Unlooked) -> tuple[Line, ...] | Unlooked:
        """As the file has them, or else as the server tells them."""
        hba, server = self._hba, self._server
        if isinstance(hba, Path) and isinstance(server, Server):
            found = looked(lambda: tuple(read_lines(hba, server.major)))
            if not isinstance(found, Unlooked):
                return found
        if isinstance(rules, Unlooked):
            return rules
        return tuple(line for line in map(Rule.line, rules) if line)

    def _known(
        self,
        lines: tuple[Line, ...] | Unlooked,
        roles: tuple[Role, ...] | Unlooked,
        databases: tuple[str, ...] | Unlooked,
    ) -> Known:
        if isinstance(lines, Unlooked) or isinstance(roles, Unlooked):
            return Known()
        known = Known(groups={role.name: frozenset(role.groups) for role in roles})
        words = [word for line in lines for word in (*line.databases, *line.roles)]
        patterns = sorted({word.text[1:] for word in words if word.text.startswith("/")})
        if not patterns or isinstance(databases, Unlooked):
            return known
        names = sorted({*databases, *(role.name for role in roles)})
        found = {one: looked(partial(self._fitting, one, names)) for one in patterns}
        fitting = {one: said for one, said in found.items() if not isinstance(said, Unlooked)}
        return replace(known, fitting=fitting, names=frozenset(names))

    def _fitting(self, pattern: str, names: Sequence[str]) -> frozenset[str]:
        values = {"patterns": [pattern], "names": list(names)}
        return frozenset(name for _, name in self._all("read_fitting", tuple_row, values))

    def _changed(self) -> bool | Unlooked:
        hba, server = self._hba, self._server
        if isinstance(hba, Path) and isinstance(server, Server):
            written = looked(lambda: datetime.fromtimestamp(hba.stat().st_mtime, UTC))
            if not isinstance(written, Unlooked):
                return written > server.loaded_at
        return looked(lambda: bool(self._all("file_changed", tuple_row)[0][0]))

    def _waits(self) -> float | Unlooked | None:
        hba = self._hba
        if isinstance(hba, Unlooked):
            # Only where the file is here is it ever changed from here.
            return None
        kept = kept_for(self._settings.home.expanduser().absolute(), hba)
        change = looked(kept.read)
        return change.left if isinstance(change, Change) else change

    def _open_sessions(self) -> tuple[OpenSessions, ...] | Unlooked:
        [(sees,)] = self._all("sees_sessions", tuple_row)
        return (
            tuple(self._all("read_open_sessions", class_row(OpenSessions)))
            if sees
            else _SESSIONS_UNSEEN
        )

    def _remote_sessions(self) -> int | None:
        found = looked(lambda: int(self._all("count_remote_sessions", tuple_row)[0][0]))
        return None if isinstance(found, Unlooked) else found

    def _certificate(self) -> Shown | Unlooked | None:
        """None where the server offers no TLS."""
        if isinstance(self._server, Unlooked):
            return self._server
        if not self._server.has_tls:
            return None
        file = self._file(self._server.certificate_file)
        found = looked(lambda: read_certificate(file)) if isinstance(file, Path) else file
        return looked(lambda: shown_by(self._database)) if isinstance(found, Unlooked) else found

    def _key_mode(self) -> int | Unlooked | None:
        if isinstance(self._server, Unlooked) or not self._server.has_tls:
            return None
        file = self._file(self._server.key_file)
        return looked(lambda: file.stat().st_mode & 0o777) if isinstance(file, Path) else file

    def _revoked(self) -> RevokedList | Unlooked | None:
        """None where no list is set."""
        if isinstance(self._server, Unlooked) or not self._server.has_tls:
            return None
        if self._server.revoked_file == "":
            return None
        file = self._file(self._server.revoked_file)
        return looked(lambda: read_revoked(file)) if isinstance(file, Path) else file

    def _file(self, said: str | None) -> Path | Unlooked:
        if not said:
            return _UNSEEN
        return self.folder if isinstance(self.folder, Unlooked) else self.folder / said

    def _names(self, statement: str) -> tuple[str, ...]:
        return tuple(name for (name,) in self._all(statement, tuple_row))

    def _all(
        self, statement: str, row: Callable[[Any], Any], values: Mapping[str, Any] | None = None
    ) -> list[Any]:
        with driver_errors(self._database.target(), self._connection):
            return (
                self._connection.cursor(row_factory=row)
                .execute(self._sql[statement], values or {})
                .fetchall()
            )


def _ways(settings: Settings, database: Database) -> list[OurWay]:
    """How our own connection strings go."""
    said = {name: getattr(settings, name) for name in _OUR_SETTINGS}
    said["dsn"] = said["dsn"] or database.dsn
    named = {name: secured(dsn, settings) for name, dsn in said.items() if dsn}
    return [_way(name, Database(dsn, database.schema)) for name, dsn in named.items()]


def _way(name: str, one: Database) -> OurWay:
    return OurWay(
        setting=f"AGENTPG_{name.upper()}",
        target=one.target(),
        mode=sslmode_of(one.dsn),
        remote=one.is_remote(),
    )
