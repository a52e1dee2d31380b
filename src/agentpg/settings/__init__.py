"""Every option, once: `options.py`; how they are read, and what else the environment says.

An option `lease` is read from the environment variable AGENTPG_LEASE, then from the
line AGENTPG_LEASE=… of the file `.env` in the working folder, then has its default.
libpq's own variables (PGHOST, PGSERVICE, …) work as everywhere; where `.env` sets one
and the environment does not, the one in `.env` is used.

Nothing else in agentpg reads the environment: `environment.py` does.
"""

from agentpg.settings.environment import (
    drop_libpq_variables,
    environment_with,
    libpq_variables,
    locale_variables,
    program_folders,
    storage_variables,
    take_variables,
    use_service_file,
)
from agentpg.settings.hiding import REDACTED_KINDS, SEALED_COLUMNS
from agentpg.settings.loading import load_settings
from agentpg.settings.names import known_variables, variable_of
from agentpg.settings.options import ENV_FILE, PREFIX, Settings
from agentpg.settings.showing import Option, describe, hide_password, hide_secrets

__all__ = [
    "ENV_FILE",
    "PREFIX",
    "REDACTED_KINDS",
    "SEALED_COLUMNS",
    "Option",
    "Settings",
    "describe",
    "drop_libpq_variables",
    "environment_with",
    "hide_password",
    "hide_secrets",
    "known_variables",
    "libpq_variables",
    "load_settings",
    "locale_variables",
    "program_folders",
    "storage_variables",
    "take_variables",
    "use_service_file",
    "variable_of",
]
