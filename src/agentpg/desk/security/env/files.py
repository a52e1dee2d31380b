"""The files around an installation in which secrets stand."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from dotenv import dotenv_values

from agentpg.db import password_file, password_for
from agentpg.desk.security.env.facts import PasswordLines, SecretFile
from agentpg.desk.security.env.patterns import has_key, has_password, is_secret
from agentpg.desk.security.passwords.pgpass import is_wrong, lines_of, read_line
from agentpg.settings import Settings, libpq_variables

# Examples are there to be read.
_EXAMPLES = (".example", ".sample", ".template", ".dist")

# What is looked for in the working folder, beside `.env`.
_BESIDE = (
    ("*.key", "key"),
    ("*.pem", "key"),
    (".pgpass", "password file"),
    ("pgpass", "password file"),
    (".pg_service.conf", "service file"),
    ("pg_service.conf", "service file"),
)

# What is shorter is found everywhere.
_SHORTEST = 8

# A key or a list of variables is small.
_LARGEST = 64 * 1024


def secret_files(folder: Path, settings: Settings) -> tuple[SecretFile, ...]:
    """Those in the working folder, and those that the settings and libpq name."""
    found: dict[str, SecretFile] = {}
    for path, kind in _places(folder, settings):
        real = os.path.realpath(path)
        if real not in found and (file := _file(path, kind)) is not None:
            found[real] = file
    return tuple(found.values())


def env_files(folder: Path) -> list[Path]:
    """`.env` and its neighbours, without examples."""
    try:
        beside = sorted(folder.glob(".env*"))
    except OSError:
        return []
    return [path for path in beside if path.is_file() and path.suffix not in _EXAMPLES]


def known_secrets(files: Sequence[SecretFile], settings: Settings) -> frozenset[str]:
    """The passwords in use, as far as they are known here, to be looked for elsewhere. They are
    never kept in what is shown."""
    dsns = (settings.dsn, settings.dsn_admin, settings.dsn_monitor, settings.dsn_backup)
    found = {password_for(dsn) for dsn in dsns if dsn}
    for file in files:
        if file.kind == ".env":
            values = dotenv_values(file.path)
            found |= {value or "" for name, value in values.items() if name in file.secrets}
        elif file.kind == "password file":
            entries = (read_line(line) for line in lines_of(_text(Path(file.path))))
            found |= {entry.password for entry in entries if entry is not None}
    return frozenset(one for one in found if len(one) >= _SHORTEST and " " not in one)


def password_lines(files: Sequence[SecretFile]) -> Iterator[PasswordLines]:
    """Password files with lines that do not mean what they shall."""
    for file in files:
        if file.kind != "password file":
            continue
        lines = list(enumerate(lines_of(_text(Path(file.path))), 1))
        entries = [(number, read_line(line)) for number, line in lines]
        everywhere = [n for n, one in entries if one and one.host == "*" and one.user == "*"]
        wrong = [number for number, line in lines if is_wrong(line)]
        yield PasswordLines(path=file.path, wrong=wrong, for_all=everywhere)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST).decode(errors="replace")
    except OSError:
        return ""


def _places(folder: Path, settings: Settings) -> Iterator[tuple[Path, str]]:
    for path in env_files(folder):
        yield path, ".env"
    variables = libpq_variables()
    home = Path.home()
    named = variables.get("PGPASSFILE") or password_file(settings.dsn)
    if named:
        yield Path(named), "password file"
    yield home / ".pgpass", "password file"
    yield settings.home.expanduser() / "pgpass", "password file"
    yield settings.home.expanduser() / "logins" / "pgpass", "password file"
    yield Path(variables.get("PGSERVICEFILE") or home / ".pg_service.conf"), "service file"
    yield Path(variables.get("PGSSLKEY") or home / ".postgresql" / "postgresql.key"), "key"
    if settings.backup_key_file:
        yield Path(settings.backup_key_file).expanduser(), "key"
    for pattern, kind in _BESIDE:
        for path in sorted(folder.glob(pattern))[:50]:
            yield path, kind


def _file(path: Path, kind: str) -> SecretFile | None:
    """None for what is not there, or holds no secret."""
    try:
        said = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(said.st_mode):
        return None
    secrets = _secrets(path, kind)
    if not secrets:
        return None
    return SecretFile(
        path=str(path),
        kind=kind,
        mode=stat.S_IMODE(said.st_mode),
        owner=_name_of(said.st_uid),
        own=said.st_uid in (os.geteuid(), 0),
        changed_at=datetime.fromtimestamp(said.st_mtime, UTC),
        secrets=secrets,
    )


def _secrets(path: Path, kind: str) -> Sequence[str]:
    """The names of what it holds; its kind where it can't be read, since others may be able to."""
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST).decode(errors="replace")
    except OSError:
        return (kind,)
    if kind == ".env":
        try:
            values = dotenv_values(path)
        except (OSError, UnicodeDecodeError):
            return (kind,)
        return tuple(name for name, value in values.items() if is_secret(name, value or ""))
    if kind == "key":
        return (kind,) if has_key(text) else ()
    if kind == "service file":
        return (kind,) if has_password(text) else ()
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return (kind,) if any(line.count(":") >= 4 for line in lines) or has_password(text) else ()


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
