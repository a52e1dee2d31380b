"""Which login of a pair is in use and which one takes over: decided on what is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agentpg.desk.security.roles.names import RoleNames, login_of
from agentpg.errors import PairUnknown

_ENDS = ("_1", "_2")


@dataclass(frozen=True, slots=True)
class Role:
    """A role: its groups, and its own settings as `database:name=value`."""

    name: str
    logs_in: bool
    groups: Sequence[str]
    settings: Sequence[str]


@dataclass(frozen=True, slots=True)
class Plan:
    """From which login to which; `old` is empty where none was in use. `missing` has to be made.

    `is_owner` where the group owns the installation's database: what its logins make is the
    group's.
    """

    group: str
    old: str
    new: str
    missing: bool
    is_owner: bool


def names_of(name: str, database: str) -> tuple[str, ...]:
    """The groups that a name may mean, the likeliest first: a group, a login of one, or a short
    name such as `agent` in the installation of this database."""
    stem = name[:-2] if name.endswith(_ENDS) else name
    return tuple(dict.fromkeys((stem, f"{RoleNames(database).prefix}_{stem}")))


def logins_of(group: str) -> tuple[str, str]:
    """The two logins of a group."""
    return login_of(group, 1), login_of(group, 2)


def plan_of(
    name: str, database: str, roles: Mapping[str, Role], owner: str, led_to: Mapping[str, str]
) -> Plan:
    """Decide. `led_to` says to which role the service of a group leads. Raises PairUnknown."""
    group = next((one for one in names_of(name, database) if one in roles), None)
    if group is None:
        raise PairUnknown(name=name, group=names_of(name, database)[-1])
    pair = logins_of(group)
    old = _in_use(pair, roles, led_to.get(group, ""))
    new = pair[1] if old == pair[0] else pair[0]
    return Plan(group, old, new, new not in roles, group == owner)


def _in_use(pair: tuple[str, str], roles: Mapping[str, Role], led_to: str) -> str:
    """The one that the service names, else the one that alone may log in."""
    if led_to in pair and led_to in roles:
        return led_to
    open_ones = [one for one in pair if one in roles and roles[one].logs_in]
    return open_ones[0] if open_ones else ""


def lacking(old: Role | None, new: Role) -> tuple[str, ...]:
    """What the old login has and the new one has not: groups, and settings of its own."""
    if old is None:
        return ()
    settings = [one.partition(":")[2] for one in _without(old.settings, new.settings)]
    return (*_without(old.groups, new.groups), *settings)


def _without(of: Sequence[str], these: Sequence[str]) -> list[str]:
    return [one for one in of if one not in these]
