"""A connection string as libpq itself reads it, without going to the network.

libpq fills in services, variables, defaults and the password file when a connection begins. A
connection begun with a value that it knows to be none ends right after that, before any name
is resolved, and can then be asked for what it would have used.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from agentpg.db.connect import bare_signs

# The option and the value that end the beginning; and the other one, to read the first by.
_OPTION, _NONE = "gssencmode", "agentpg"
_OTHER_OPTION = "sslmode"

# Given a password, libpq does not look into the password file, and so says nothing of its mode.
_UNASKED = "unasked"

_QUOTED = re.compile(r"'(?:\\.|[^'\\])*'")
_KEYS = (re.compile(r"(?:^|\s)([A-Za-z_]\w*)\s*="), re.compile(r"[?&]([A-Za-z_]\w*)="))
_OF_LOGIN = ("user", "password", "passfile")
_SECRETS = ("password", "sslpassword", "passfile", "oauth_client_secret")


@dataclass(frozen=True, slots=True)
class Conninfo:
    """What libpq would connect with.

    `values` has every parameter that has a value, without secrets. `folder` is where libpq
    looks for sockets by itself. `complaint` is what libpq has against a value, in its own words.
    `service_found` is False where a service is named that no file has. `dsn` is the string
    itself, with its secrets.
    """

    dsn: str = field(repr=False)
    values: Mapping[str, str]
    folder: str
    complaint: str
    service_found: bool
    service: str
    service_file: str

    def for_place(self, **place: str) -> str:
        """The connection string of one of its places, such as host and port; with its secrets."""
        return make_conninfo(self.dsn, **place)


def read_conninfo(dsn: str) -> Conninfo | None:
    """Read it; None for what is no connection string."""
    if bare_signs(dsn):
        return None
    try:
        said = {name: str(value) for name, value in conninfo_to_dict(dsn).items() if value}
    except (psycopg.ProgrammingError, ValueError):
        # Not even text, where it has half a character or a zero byte.
        return None
    begun = _begin(dsn, password=_UNASKED)
    service_found = begun.values.get(_OPTION) == _NONE
    own = "" if begun.complaint == _begin("host=/agentpg").complaint else begun.complaint
    ours = _begin(dsn, _OTHER_OPTION, password=_UNASKED).values.get(_OPTION, "")
    values = {n: v for n, v in begun.values.items() if n not in _SECRETS and n != _OPTION}
    return Conninfo(
        dsn=dsn,
        values={**values, **({_OPTION: ours} if ours else {})},
        folder=begun.host,
        complaint=own if service_found else "",
        service_found=service_found,
        service=said.get("service") or _default("service"),
        service_file=said.get("servicefile") or "",
    )


def password_file(dsn: str) -> str:
    """The password file that the string, its service or a variable names; empty for the usual."""
    return _begin(dsn, password=_UNASKED).values.get("passfile", "")


def password_for(dsn: str, *, passfile: str | None = None) -> str:
    """The password that libpq would use for the first place of `dsn`; empty where it has none.

    A `passfile` stands for the one that is configured.
    """
    replaced = {} if passfile is None else {"passfile": passfile}
    return _begin(dsn, **replaced).password


def by_service(dsn: str, service: str) -> str:
    """The same place, as the login that a service names by then."""
    said = conninfo_to_dict(dsn)
    place = {name: value for name, value in said.items() if name not in _OF_LOGIN}
    return make_conninfo("", **{**place, "service": service})


def _default(name: str) -> str:
    """What libpq's variables say of a parameter."""
    found = (o.val for o in pq.Conninfo.get_defaults() if o.keyword == name.encode())
    return (next(found, None) or b"").decode(errors="replace")


def wrong_keys(dsn: str) -> dict[str, str]:
    """The names in it that are no parameters, each with the one that may be meant, or nothing."""
    known = [option.keyword.decode() for option in pq.Conninfo.get_defaults()]
    text = _QUOTED.sub("''", dsn)
    form = _KEYS[1] if "://" in text else _KEYS[0]
    found = [name for name in form.findall(text) if name not in known]
    near = {name: difflib.get_close_matches(name, known, 1, 0.6) for name in found}
    return {name: "".join(match) for name, match in near.items()}


@dataclass(frozen=True, slots=True)
class _Begun:
    values: dict[str, str]
    complaint: str
    host: str
    password: str = field(repr=False)


def _begin(dsn: str, option: str = _OPTION, **replaced: str) -> _Begun:
    text = make_conninfo(dsn, **replaced, **{option: _NONE})
    connection = pq.PGconn.connect_start(text.encode())
    try:
        values = {
            option.keyword.decode(): option.val.decode(errors="replace")
            for option in connection.info
            if option.val
        }
        return _Begun(
            values=values,
            complaint=connection.error_message.decode(errors="replace").strip(),
            host=connection.host.decode(errors="replace"),
            password=connection.password.decode(errors="replace"),
        )
    finally:
        connection.finish()
