"""TLS where a connection string says nothing of it: a server elsewhere has to prove who it is.

libpq's own default, `prefer`, takes whatever answers, and even goes on without TLS.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from agentpg.db.connect import Database, leads_elsewhere, named_by
from agentpg.db.conninfo import read_conninfo
from agentpg.settings import Settings, libpq_variables

# From this version on libpq tells a mode that is said from one that is not, as below.
_TELLS = 160000

# Where systems keep the public authorities in one file. The word `system` will not do: pg_dump of
# 15 takes it for a file, and the libpq that comes with the driver has no folder of its own.
_PUBLIC = (
    Path("/etc/ssl/certs/ca-certificates.crt"),
    Path("/etc/pki/tls/certs/ca-bundle.crt"),
    Path("/etc/ssl/ca-bundle.pem"),
    Path("/etc/ssl/cert.pem"),
)


def secured(dsn: str, settings: Settings) -> str:
    """A connection string that says how the server has to prove who it is: by the setting
    `sslmode`, where it leads to another machine and says no mode itself, be it by a service or a
    variable of libpq's.

    What is believed is, unless it is said: the authority in `home`, or libpq's own root file, or
    the system's authorities. What can't be read, or is empty, stays as it is.
    """
    read = read_conninfo(dsn) if dsn else None
    if read is None or not read.service_found or not _elsewhere(read.values):
        return dsn
    if _says_mode(dsn):
        return dsn
    mode = libpq_variables().get("PGSSLMODE") or settings.sslmode
    said = {"sslmode": mode}
    if mode.startswith("verify") and not read.values.get("sslrootcert"):
        said |= _believed(settings)
    return make_conninfo(dsn, **said)


def database_of(dsn: str, settings: Settings) -> Database:
    """The database of a connection string of the settings, or of one that was given beside."""
    return Database(secured(dsn, settings), settings.schema_name)


def configured(settings: Settings) -> Database | None:
    """The database that the settings or libpq's variables name; None if none does."""
    dsn = named_by(settings)
    return None if dsn is None else database_of(dsn, settings)


def sslmode_of(dsn: str) -> str:
    """The mode that libpq would go by."""
    read = read_conninfo(dsn)
    return "prefer" if read is None else read.values.get("sslmode", "prefer")


def _elsewhere(values: Mapping[str, str]) -> bool:
    return leads_elsewhere(values.get("hostaddr") or values.get("host", ""))


def _says_mode(dsn: str) -> bool:
    """Whether the string, its service or a variable says a mode, as libpq itself has it: where
    the system's authorities are believed, the mode that nobody says is another one."""
    if conninfo_to_dict(dsn).get("sslmode"):
        return True
    default = "verify-full" if pq.version() >= _TELLS else "prefer"
    return sslmode_of(make_conninfo(dsn, sslrootcert="system")) != default


def _believed(settings: Settings) -> dict[str, str]:
    """Whose certificates are good; nothing where libpq has a root file of its own."""
    ours = settings.home.expanduser().absolute() / "tls" / "authority.crt"
    if _is_there(ours):
        return {"sslrootcert": str(ours)}
    if _is_there(Path("~/.postgresql/root.crt")):
        return {}
    public = next(filter(_is_there, _PUBLIC), None)
    return {"sslrootcert": str(public)} if public else {"sslrootcert": "system"}


def _is_there(path: Path) -> bool:
    """Whether it can be read; in a folder of others, or of nobody, it can't."""
    try:
        return path.expanduser().exists()
    except (OSError, RuntimeError):
        return False
