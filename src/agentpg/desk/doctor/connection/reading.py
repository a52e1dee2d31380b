"""The connection string: where it leads, as libpq reads it, or why it leads nowhere."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from pathlib import Path

from agentpg.db import (
    Conninfo,
    bare_signs,
    password_file,
    password_for,
    read_conninfo,
    wrong_keys,
)
from agentpg.desk.doctor.connection.facts import (
    ClientKey,
    KeyProblem,
    NoService,
    PasswordFile,
    Place,
    Wanted,
    Wrong,
)
from agentpg.settings import libpq_variables

_PASSWORDS = ".pgpass"
_SERVICES = ".pg_service.conf"
_FOLDER = ".postgresql"

# libpq ignores a password file, and a key, that others may read.
_OTHERS = stat.S_IRWXG | stat.S_IRWXO

# A key of root may be read by its group, so that a service's account can.
_OTHERS_OF_ROOT = stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Read:
    """A connection string that leads somewhere. What is in `conninfo` may hold a secret."""

    conninfo: Conninfo = field(repr=False)
    wanted: Wanted
    key: ClientKey | None

    def password(self, place: Place) -> str:
        """The password that libpq would use there; empty for none."""
        said = {"host": place.folder or place.host, "hostaddr": place.hostaddr}
        dsn = self.conninfo.for_place(**said, port=str(place.port))
        return password_for(dsn, passfile=self.ignored_passwords())

    def ignored_passwords(self) -> str | None:
        """A file that is not there, where libpq would ignore the one that is and complain."""
        return "/nonexistent" if self.wanted.passwords.problem else None


def read(dsn: str) -> Read | Wrong | NoService:
    """Read a connection string with all that libpq adds to it."""
    if bare_signs(dsn):
        return Wrong(kind="sign")
    conninfo = read_conninfo(dsn)
    if conninfo is None:
        return Wrong(kind="syntax", keys=wrong_keys(dsn))
    values = conninfo.values
    if not conninfo.service_found and conninfo.service:
        return NoService(name=conninfo.service, file=_service_file(conninfo))
    ports = values.get("port", "5432").split(",")
    if _has_loose_sign(dsn, conninfo):
        return Wrong(kind="sign")
    if conninfo.complaint or not all(_is_port(port) for port in ports):
        return Wrong(kind="value", complaint=conninfo.complaint or _port_complaint(ports))
    return Read(conninfo, _wanted(dsn, conninfo, ports), _client_key(conninfo))


def _has_loose_sign(dsn: str, conninfo: Conninfo) -> bool:
    """Whether a password with @, / or # in it was cut: its rest then stands in another place."""
    if "://" not in dsn:
        return False
    values = conninfo.values
    host = values.get("host", "")
    wrong_port = not all(_is_port(port) for port in values.get("port", "5432").split(","))
    in_host = "@" in host and not host.startswith("@")
    return in_host or "@" in values.get("dbname", "") or (wrong_port and "@" in dsn)


def _port_complaint(ports: list[str]) -> str:
    return f'invalid port number: "{",".join(ports)}"'


def _is_port(text: str) -> bool:
    return not text or (text.isdigit() and 0 < int(text) < 65536)


def _wanted(dsn: str, conninfo: Conninfo, ports: list[str]) -> Wanted:
    values = conninfo.values
    user = values.get("user", "")
    root = values.get("sslrootcert") or str(Path.home() / _FOLDER / "root.crt")
    passwords = _password_file(password_file(dsn))
    reads = not passwords.problem
    known = password_for(dsn, passfile=None if reads else "/nonexistent")
    return Wanted(
        places=_places(conninfo, ports),
        user=user,
        database=values.get("dbname") or user,
        database_said=values.get("dbname", user) != user,
        sslmode=values.get("sslmode", "prefer"),
        root_file=root,
        root_exists=root == "system" or _exists(Path(root)),
        has_password=bool(known),
        passwords=passwords,
        session=values.get("target_session_attrs", "any"),
        service=values.get("service", ""),
        replication=_is_physical(values.get("replication", "")),
        by_gss=values.get("gssencmode") == "require",
        direct_tls=values.get("sslnegotiation") == "direct",
    )


def _is_physical(said: str) -> bool:
    """Whether the server takes it for true, as it takes any setting that is on or off."""
    word = said.lower()
    if word in ("on", "1"):
        return True
    return bool(word) and ("true".startswith(word) or "yes".startswith(word))


def _places(conninfo: Conninfo, ports: list[str]) -> tuple[Place, ...]:
    hosts = conninfo.values.get("host", "").split(",")
    addresses = conninfo.values.get("hostaddr", "").split(",")
    number = max(len(hosts), len(addresses))
    hosts, addresses = _filled(hosts, number), _filled(addresses, number)
    ports = _filled(ports, number, ports[0])
    return tuple(
        _place(host, address, int(port or 5432), conninfo.folder)
        for host, address, port in zip(hosts, addresses, ports, strict=False)
    )


def _filled(texts: list[str], number: int, rest: str = "") -> list[str]:
    return texts + [rest] * (number - len(texts))


def _place(host: str, address: str, port: int, folder: str) -> Place:
    if address:
        return Place(host=host, hostaddr=address, port=port)
    if not host or host.startswith(("/", "@")):
        return Place(host="", hostaddr="", port=port, folder=host or folder)
    return Place(host=host, hostaddr="", port=port)


def _password_file(named: str) -> PasswordFile:
    path = Path(named) if named else Path.home() / _PASSWORDS
    try:
        mode = path.stat().st_mode
    except OSError:
        return PasswordFile(path=str(path), exists=False)
    if not stat.S_ISREG(mode):
        return PasswordFile(path=str(path), exists=True, problem="no file")
    return PasswordFile(
        path=str(path),
        exists=True,
        problem="mode" if mode & _OTHERS else "",
        mode=stat.S_IMODE(mode),
    )


def _client_key(conninfo: Conninfo) -> ClientKey | None:
    """The certificate and key that libpq would show; None where there is none to show."""
    values = conninfo.values
    if values.get("sslcertmode") == "disable" or values.get("sslmode") == "disable":
        return None
    certificate = Path(values.get("sslcert") or Path.home() / _FOLDER / "postgresql.crt")
    key = Path(values.get("sslkey") or Path.home() / _FOLDER / "postgresql.key")
    if not _exists(certificate):
        said = values.get("sslcert")
        return ClientKey(certificate=said, key=str(key), problem="missing") if said else None
    problem, mode = _key_problem(key)
    return ClientKey(certificate=str(certificate), key=str(key), problem=problem, mode=mode)


def _key_problem(key: Path) -> tuple[KeyProblem, int]:
    try:
        found = key.stat()
    except OSError:
        return "missing", 0
    others = _OTHERS_OF_ROOT if found.st_uid == 0 else _OTHERS
    if found.st_mode & others:
        return "mode", stat.S_IMODE(found.st_mode)
    try:
        key.open("rb").close()
    except OSError:
        return "unreadable", stat.S_IMODE(found.st_mode)
    return "", stat.S_IMODE(found.st_mode)


def _service_file(conninfo: Conninfo) -> str:
    """The file in which services are looked for first."""
    named = conninfo.service_file or libpq_variables().get("PGSERVICEFILE")
    return named or str(Path.home() / _SERVICES)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False
