"""The files by which programs find their login: service, password and `.env` files."""

from __future__ import annotations

import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from dotenv import dotenv_values, set_key

from agentpg.db import Conninfo, Database, make_conninfo, password_file, password_for, read_conninfo
from agentpg.desk.security.passwords.pgpass import (
    Entry,
    Key,
    password_in,
    with_entry,
    without_entry,
)
from agentpg.desk.security.passwords.services import read_service, with_service, without_service
from agentpg.desk.security.rotation.planning import logins_of
from agentpg.desk.security.rotation.turn import Turn, read_text, write_text
from agentpg.errors import FileNotWritten

# What of the connection of who rotates is also right for programs; the rest is his own.
_SHARED = (
    "host",
    "hostaddr",
    "port",
    "dbname",
    "sslmode",
    "sslrootcert",
    "sslcrl",
    "target_session_attrs",
    "channel_binding",
)

# What need not be said, so that programs may say otherwise.
_DEFAULTS = {"sslmode": "prefer", "target_session_attrs": "any", "channel_binding": "prefer"}

_OURS = "AGENTPG_"

SERVICE_FILE = "PGSERVICEFILE"


class Places:
    """The files of one rotation, for a server as `database` says it."""

    def __init__(self, turn: Turn, database: Database) -> None:
        self._turn = turn
        self._service_file = Path(turn.service_file)
        self._password_file = Path(turn.password_file)
        self._values = shared_values(database)
        self._named = password_file(database.dsn)

    @property
    def leads_to(self) -> str:
        """The role that the service names; empty where there is no service."""
        return led_to(self._service_file, self._turn.service)

    def service_dsn(self) -> str:
        """What the service stands for now, as libpq reads it in programs."""
        values = read_service(read_text(self._service_file), self._turn.service) or {}
        return make_conninfo("", **values)

    def login_dsn(self, login: str) -> str:
        """The way in as one of the logins, whatever the service says."""
        return make_conninfo("", **self._values, user=login, passfile=str(self._password_file))

    def password_of(self, login: str) -> str | None:
        """What the password file has for a login, or else that of who rotates, as for logins that
        were made before the first rotation; None where nobody knows it."""
        kept = password_in(read_text(self._password_file), self._keys(login)[0])
        others = {"passfile": self._named} if self._named else {}
        return kept or password_for(make_conninfo("", **self._values, user=login, **others)) or None

    def keep_password(self, login: str, password: str) -> None:
        """Write it down. Raises FileNotWritten."""
        text = read_text(self._password_file)
        for key in self._keys(login):
            text = with_entry(text, Entry(*key, password))
        write_text(self._password_file, text)

    def forget_password(self, login: str) -> None:
        """Take it out again. Raises FileNotWritten."""
        text = read_text(self._password_file)
        left = text
        for key in self._keys(login):
            left = without_entry(left, key)
        if left != text:
            write_text(self._password_file, left)

    def lead_to(self, login: str) -> None:
        """Have the service lead to a login: in one moment, for all that connect from now on.

        Raises FileNotWritten.
        """
        values = {**self._values, "user": login, "passfile": str(self._password_file)}
        text = with_service(read_text(self._service_file), self._turn.service, values)
        write_text(self._service_file, text)

    def remove_service(self) -> None:
        """As it was before the first rotation. Raises FileNotWritten."""
        text = read_text(self._service_file)
        write_text(self._service_file, without_service(text, self._turn.service))

    def rewrite_env(self) -> tuple[str, ...]:
        """Have connection strings of ours in `.env` that name a login of the pair name the service
        instead; the names of those. Raises FileNotWritten."""
        path = Path(self._turn.env_file) if self._turn.env_file else None
        names = naming(path, self._turn.group) if path is not None else ()
        if path is not None and names:
            said = dict.fromkeys(names, service_string(self._turn.service))
            _set_keys(path, {**said, SERVICE_FILE: str(self._service_file)})
        return names

    def _keys(self, login: str) -> tuple[Key, ...]:
        host = self._values.get("host") or self._values.get("hostaddr") or "localhost"
        # The socket of the usual place, which libpq knows and we do not, is looked up as localhost.
        hosts = (host, "localhost") if host.startswith("/") else tuple(host.split(","))
        return tuple((one, "*", "*", login) for one in dict.fromkeys(hosts))


def shared_values(database: Database) -> dict[str, str]:
    """The parameters of a connection that others need as well."""
    conninfo: Conninfo | None = read_conninfo(database.dsn)
    values: Mapping[str, str] = {} if conninfo is None else conninfo.values
    found = {name: values[name] for name in _SHARED if values.get(name)}
    return {name: value for name, value in found.items() if _DEFAULTS.get(name) != value}


def led_to(service_file: Path, service: str) -> str:
    """The role that a service names; empty where there is none."""
    return (read_service(read_text(service_file), service) or {}).get("user", "")


def lead_first(service_file: Path, database: Database, service: str, user: str) -> None:
    """Make the service of a pair that was never rotated: to the server that `database` says, as
    this login, by the same password file. Raises FileNotWritten."""
    passfile = password_file(database.dsn)
    named = {"passfile": passfile} if passfile else {}
    values = {**shared_values(database), "user": user, **named}
    write_text(service_file, with_service(read_text(service_file), service, values))


def knows_login(password_file: Path, database: Database) -> bool:
    """Whether a password file has a password for the login that `database` names."""
    host, port = database.address()
    key = host, str(port), database.name(), database.user()
    return password_in(read_text(password_file), key) is not None


def service_string(service: str) -> str:
    """The connection string of a service; libpq finds its file by the variable PGSERVICEFILE."""
    return make_conninfo("", service=service)


def naming(env_file: Path, group: str) -> tuple[str, ...]:
    """Our variables in `.env` whose connection string names a login of the pair, or the group."""
    if not env_file.is_file():
        return ()
    names = {group, *logins_of(group)}
    found = []
    for name, value in dotenv_values(env_file).items():
        said = read_conninfo(value) if value and name.startswith(_OURS) else None
        if said is not None and not said.service and said.values.get("user") in names:
            found.append(name)
    return tuple(found)


def _set_keys(path: Path, values: Mapping[str, str]) -> None:
    """All of them at once, with the file's mode and owner; other lines stay."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        write_text(draft, read_text(path))
        for name, value in values.items():
            set_key(draft, name, value, quote_mode="always")
        write_text(path, draft.read_text(encoding="utf-8"), stat.S_IMODE(path.stat().st_mode))
    except OSError as error:
        raise FileNotWritten(error.strerror or str(error), path=path) from None
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()
