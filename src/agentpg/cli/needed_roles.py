"""Which database role each command works as: one table, for the help, the errors, the reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from agentpg.language import N_, Translate

Name = Literal[
    "admin", "agent", "client", "monitor", "backup", "web", "readonly", "superuser", "any"
]


@dataclass(frozen=True, slots=True)
class Needed:
    """`roles` are those as which it works, the least mighty first; the owner, admin, does all but
    what takes a superuser. `changes` are those that it takes where it changes something."""

    roles: tuple[Name, ...] = ()
    changes: tuple[Name, ...] = ()


_NONE = Needed()
_ADMIN = Needed(("admin",))
_SUPERUSER = Needed(("superuser",))
_MONITOR = Needed(("monitor",))
_STEER = Needed(("web",))
_READ = Needed(("client", "web", "readonly"))
_SEE = Needed(("monitor", "web", "readonly"))
_BACKUP = Needed(("backup",))

# Every command by its words, as the test of this table knows.
NEEDED: Mapping[str, Needed] = {
    "up": _ADMIN,
    "demo": _NONE,
    "setup": _SUPERUSER,
    "status": _SEE,
    "config show": _NONE,
    "config check": Needed(("agent", "client", "monitor", "web", "readonly")),
    "server start": _NONE,
    "server stop": _NONE,
    "server status": _NONE,
    "server dsn": _NONE,
    "server psql": _NONE,
    "schema migrate": _ADMIN,
    "schema verify": _ADMIN,
    "schema show": Needed(("any",)),
    "schema adopt": _ADMIN,
    "schema docs": Needed(("any",)),
    "task submit": Needed(("client", "web")),
    "task list": _READ,
    "task show": _READ,
    "task wait": _READ,
    "task cancel": _STEER,
    "task retry": _STEER,
    "task hold": _STEER,
    "task release": _STEER,
    "worker": Needed(("agent",)),
    "agent list": Needed(("web", "readonly")),
    "agent stats": _SEE,
    "agent pause": _STEER,
    "agent resume": _STEER,
    "agent limit": _STEER,
    "schedule list": _SEE,
    "schedule add": _STEER,
    "schedule show": _SEE,
    "schedule pause": _STEER,
    "schedule resume": _STEER,
    "schedule run": _STEER,
    "schedule remove": _STEER,
    "report": _SEE,
    "retention show": Needed(("readonly",)),
    "retention apply": _ADMIN,
    "retention restore": _ADMIN,
    "backup create": _BACKUP,
    "backup list": _BACKUP,
    "backup show": _BACKUP,
    "backup verify": _BACKUP,
    "backup drill": _BACKUP,
    "backup restore": _SUPERUSER,
    "backup prune": _BACKUP,
    "backup key": _NONE,
    "backup mark": _BACKUP,
    "backup archive on": _SUPERUSER,
    "backup archive off": _SUPERUSER,
    "backup archive status": _BACKUP,
    "backup recover": _SUPERUSER,
    "doctor": _MONITOR,
    "doctor connection": Needed(("any",)),
    "doctor slow": Needed(("monitor",), ("admin",)),
    "doctor server": _MONITOR,
    "doctor tasks": _MONITOR,
    "doctor backup": _MONITOR,
    "doctor disk": Needed(("monitor",), ("superuser",)),
    "doctor vacuum": Needed(("monitor",), ("admin",)),
    "doctor settings": Needed(("monitor",), ("superuser",)),
    "doctor indexes": _MONITOR,
    "doctor notify": _MONITOR,
    "doctor addresses": _MONITOR,
    "doctor security": _MONITOR,
    "doctor accounts": _MONITOR,
    "tune explain": Needed(("readonly",)),
    "tune indexes": Needed(("monitor",), ("admin",)),
    "tune vacuum": Needed(("monitor",), ("admin",)),
    "tune settings": Needed(("monitor",), ("superuser",)),
    "user add": _ADMIN,
    "user list": Needed(("web",)),
    "user show": Needed(("web",)),
    "user roles": _NONE,
    "user role": _ADMIN,
    "user password": _ADMIN,
    "user token": _ADMIN,
    "user disable": _ADMIN,
    "user enable": _ADMIN,
    "user unlock": _ADMIN,
    "security audit": Needed(("monitor",), ("superuser",)),
    "security env": _NONE,
    "security hba show": _MONITOR,
    "security hba explain": _MONITOR,
    "security hba propose": _MONITOR,
    "security hba apply": _SUPERUSER,
    "security hba confirm": _SUPERUSER,
    "security hba undo": _NONE,
    "security key create": _NONE,
    "security key show": _MONITOR,
    "security key rotate": _ADMIN,
    "security key reseal": _ADMIN,
    "security key drop": _ADMIN,
    "security password generate": _NONE,
    "security password check": _NONE,
    "security password set": _SUPERUSER,
    "security password age": _MONITOR,
    "security password rotate": _SUPERUSER,
    "security roles show": Needed(("any",)),
    "security roles diff": Needed(("any",)),
    "security roles apply": _SUPERUSER,
    "security log show": Needed(("monitor", "web", "readonly")),
    "security log verify": Needed(("web",)),
    "security log export": Needed(("monitor", "web", "readonly")),
    "security tenants show": _ADMIN,
    "security tenants on": _ADMIN,
    "security tenants off": _ADMIN,
    "security tenants bind": _ADMIN,
    "security tenants unbind": _ADMIN,
    "security tls create": _NONE,
    "security tls install": _SUPERUSER,
    "security tls renew": _SUPERUSER,
    "security tls revoke": _SUPERUSER,
    "security tls check": _MONITOR,
    "monitor top": Needed(("monitor",), ("admin",)),
    "monitor activity": _MONITOR,
    "monitor sizes": _MONITOR,
    "monitor changes": _MONITOR,
    "monitor metrics": _MONITOR,
    "notify list": _SEE,
    "notify show": _SEE,
    "notify ack": Needed(("web", "monitor")),
    "notify silence": Needed(("web", "monitor")),
    "notify unsilence": Needed(("web", "monitor")),
    "notify contacts": _NONE,
    "notify test": _NONE,
    "completion": _NONE,
}

_ANY = N_("any role that gets in")
_SAYS = N_("Database role: {roles}.")
_SAYS_CHANGES = N_("Database role: {roles}; to change something {changes}.")
_OTHER_ROLE = N_(
    "`{command}` works as {roles}; `agentpg security roles show` says what each role may."
)


def role_line(path: str, translate: Translate) -> str:
    """What a command's help says of the role; empty where it needs no database, or is none."""
    needed = NEEDED.get(path)
    if needed is None or not needed.roles:
        return ""
    roles, changes = _named(needed.roles, translate), _named(needed.changes, translate)
    said = _SAYS_CHANGES if changes else _SAYS
    return translate(said).format(roles=roles, changes=changes)


def hint_for(path: str, translate: Translate) -> str:
    """What to say to whoever may not: as which role the command works; empty where none is said."""
    needed = NEEDED.get(path)
    if needed is None or not needed.roles:
        return ""
    roles = _named(dict.fromkeys((*needed.roles, *needed.changes)), translate)
    return translate(_OTHER_ROLE).format(command=f"agentpg {path}", roles=roles)


def _named(roles: Iterable[Name], translate: Translate) -> str:
    return ", ".join(translate(_ANY) if one == "any" else one for one in roles)
