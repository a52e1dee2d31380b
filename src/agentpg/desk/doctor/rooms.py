"""The rooms of the doctor, by name."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from agentpg.db import connect
from agentpg.desk.check import Say, Unlooked, looked
from agentpg.desk.doctor.telling import told_once
from agentpg.desk.finding import Reason, Remedy
from agentpg.errors import AgentpgError, DatabaseUnavailable, ServerReadOnly, SettingError
from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.db import Database
    from agentpg.desk.check import Check
    from agentpg.desk.finding import Finding
    from agentpg.settings import Settings


@dataclass(frozen=True, slots=True)
class Room:
    """A room that is not loaded yet: its module, and what it looks for."""

    module: str
    summary: str


# So long a server that does not answer is waited for. A refusal comes at once.
_PATIENCE_SECONDS = 3
_AT_ONCE_SECONDS = 1

# The room that goes to the server itself.
_WAY = "connection"

_CONNECT = Remedy(
    sentence=N_("See what is wrong with the connection."), command="agentpg doctor connection"
)

# Each room's module is loaded when it is used.
ROOMS = {
    "connection": Room(
        "agentpg.desk.doctor.connection",
        N_("Go to the server step by step, and say what stops and why."),
    ),
    "slow": Room(
        "agentpg.desk.doctor.slow",
        N_("Find what makes statements slow: who blocks whom, and what takes the time."),
    ),
    "server": Room(
        "agentpg.desk.doctor.server",
        N_("Look at the server as a whole: connections, standbys, release, machine."),
    ),
    "tasks": Room(
        "agentpg.desk.doctor.tasks",
        N_("Look for work that does not get done, or goes wrong: tasks, workers, schedules."),
    ),
    "backup": Room(
        "agentpg.desk.doctor.backup", N_("Look for what makes the backups useless when needed.")
    ),
    "disk": Room(
        "agentpg.desk.doctor.disk", N_("Find what fills the disks, and show a plan against it.")
    ),
    "vacuum": Room(
        "agentpg.desk.doctor.vacuum",
        N_("Look for dead rows, stale statistics and old transactions, and who keeps them."),
    ),
    "settings": Room(
        "agentpg.desk.doctor.settings",
        N_("Judge the server's settings by its machine and its work."),
    ),
    "indexes": Room(
        "agentpg.desk.doctor.indexes",
        N_("Find indexes that are missing, useless, broken or worn."),
    ),
    "notify": Room("agentpg.desk.doctor.notify", N_("Find what keeps people from being told.")),
    "accounts": Room(
        "agentpg.desk.doctor.accounts",
        N_("Look at accounts, their tokens, and the audit log."),
    ),
    "addresses": Room(
        "agentpg.desk.security.addresses",
        N_("Say who gets in from where without a good proof, and what TLS is worth."),
    ),
    "security": Room(
        "agentpg.desk.doctor.security",
        N_("Look for what would let somebody in, or let something out."),
    ),
}


class Examine(Protocol):
    """Looks at one side of an installation."""

    def __call__(self, database: Database, settings: Settings) -> Sequence[Finding]:
        """All findings, those of level ok too, in the order of their codes."""
        ...


def examine(
    database: Database, settings: Settings, names: Sequence[str] = ()
) -> dict[str, list[Finding]]:
    """What each of these rooms says, or all of them.

    A room that can't look at all, such as where no server answers, says unknown of everything.
    What several rooms have found is told by one of them.
    """
    patient = _patient(database)
    asked = names or tuple(ROOMS)
    # Of several rooms one waits for a server that does not answer, and that for connections tries.
    known = _with_silence(patient) if len(asked) > 1 else patient
    return told_once(
        {name: _said_in(name, patient if name == _WAY else known, settings) for name in asked}
    )


def _patient(database: Database) -> Database:
    try:
        return database.with_patience(_PATIENCE_SECONDS)
    except SettingError:
        # Nobody can read its connection string, as each room says for itself.
        return database


def _with_silence(database: Database) -> Database:
    """The same; where it takes long to find out that nobody answers, it knows from now on."""
    begun = time.monotonic()
    try:
        connect(database, "agentpg doctor").close()
    except DatabaseUnavailable as error:
        waited = time.monotonic() - begun
        # Its kinds are what a server says, which may say another thing to another role.
        if type(error) is DatabaseUnavailable and waited >= _AT_ONCE_SECONDS:
            return replace(database, silence=error)
    except AgentpgError:
        # Each room says it for itself.
        pass
    return database


def _said_in(name: str, database: Database, settings: Settings) -> list[Finding]:
    found = looked(lambda: _room(name)(database, settings))
    if isinstance(found, Unlooked):
        found = [Say(check).unknown(found) for check in checks_of(name)]
    return [replace(one, remedies=(_CONNECT,)) if _is_cut_off(one) else one for one in found]


def _is_cut_off(one: Finding) -> bool:
    """Whether it could not be looked at since the server can't be reached: what the check knows
    for want of rights does not help then."""
    why = one.evidence.get("why") if one.level == "unknown" else None
    error = why.error if isinstance(why, Reason) else None
    # A standby answers, and lets nobody write.
    answers = isinstance(error, ServerReadOnly)
    return isinstance(error, (DatabaseUnavailable, SettingError)) and not answers


def checks_of(name: str) -> Sequence[Check]:
    """All checks of a room, in the order of their codes."""
    return cast("Sequence[Check]", import_module(ROOMS[name].module).CHECKS)


def _room(name: str) -> Examine:
    return cast(Examine, import_module(ROOMS[name].module).examine)
