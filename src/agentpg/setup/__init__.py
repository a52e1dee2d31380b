"""An existing server: role, database and schema, and the units of systemd."""

from agentpg.setup.administrator import Administrator, by_dsn, by_peer
from agentpg.setup.installing import Done, Target, set_up, setup_script, try_login
from agentpg.setup.units import closed_folder, install_units, units

__all__ = [
    "Administrator",
    "Done",
    "Target",
    "by_dsn",
    "by_peer",
    "closed_folder",
    "install_units",
    "set_up",
    "setup_script",
    "try_login",
    "units",
]
