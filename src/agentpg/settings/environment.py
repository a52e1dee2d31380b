"""The environment of this process and the file `.env`; nothing else in agentpg reads them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from agentpg.errors import SettingError
from agentpg.settings.names import known_variables
from agentpg.settings.options import ENV_FILE

_PROXIES = ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_SERVICE_FILE = "PGSERVICEFILE"
_LIBPQ_VARIABLE = re.compile(r"PG[A-Z]+")


def libpq_variables() -> dict[str, str]:
    """libpq's variables in force: those of the environment before those of `.env`."""
    both = {**env_file(), **os.environ}
    return {name: value for name, value in both.items() if _LIBPQ_VARIABLE.fullmatch(name)}


def hand_over_service_file() -> None:
    """Let libpq find the service file that `.env` names: it looks into the process's environment
    alone."""
    named = env_file().get(_SERVICE_FILE)
    if named:
        os.environ.setdefault(_SERVICE_FILE, named)


def use_service_file(path: Path) -> bool:
    """Let libpq find services in this file, unless this account has another one; whether it does
    so now."""
    named = libpq_variables().get(_SERVICE_FILE)
    if named is None and not (Path.home() / ".pg_service.conf").exists():
        os.environ[_SERVICE_FILE] = named = str(path)
    return named == str(path)


def drop_libpq_variables() -> list[str]:
    """Take libpq's variables out of this process's environment; the names of those it had."""
    names = sorted(filter(_LIBPQ_VARIABLE.fullmatch, os.environ))
    for name in names:
        del os.environ[name]
    return names


def locale_variables() -> Mapping[str, str]:
    """The environment, for choosing the language."""
    return os.environ


def storage_variables() -> dict[str, str]:
    """The variables by which the AWS tools find a storage, and a way to it, in this process.

    Not the name of a profile: it stands for files of this account.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper() in _PROXIES or (name.startswith("AWS_") and not name.endswith("PROFILE"))
    }


def take_variables(variables: Mapping[str, str]) -> None:
    """Let this process, and the programs that it starts, have these variables."""
    os.environ.update(variables)


def program_folders() -> list[Path]:
    """The folders in which the system looks for programs."""
    return [Path(folder) for folder in os.get_exec_path()]


def environment_with(**options: str) -> dict[str, str]:
    """The environment for a child process, in which these options have these values."""
    variables = {name: variable for variable, name in known_variables().items()}
    return {**os.environ, **{variables[name]: value for name, value in options.items()}}


def process_variables() -> Mapping[str, str]:
    """All variables of the environment."""
    return os.environ


def env_file() -> dict[str, str]:
    """What `.env` in the working folder says. Raises SettingError where it can't be read."""
    try:
        found = dotenv_values(ENV_FILE) if ENV_FILE.is_file() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(str(error), name=str(ENV_FILE), source=".env") from None
    return {name: value or "" for name, value in found.items()}
