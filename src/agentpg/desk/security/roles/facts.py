"""What there is of roles and rights, as it was seen: frozen, for the decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from agentpg.desk.security.roles.names import RoleNames

Kind = Literal["database", "schema", "table", "sequence", "function", "server function"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """Who looks, and what that role may do. `owner` is the schema's, None where there is none."""

    role: str
    superuser: bool
    creates_roles: bool
    replicates: bool
    bypasses_rows: bool
    sees_sessions: bool
    major: int
    database: str
    database_owner: str
    owns_database: bool
    owner: str | None
    owns_schema: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role that is there. `acts_as` is the role that a session of it becomes at once."""

    name: str
    logs_in: bool
    superuser: bool
    inherits: bool
    creates_roles: bool
    creates_databases: bool
    replicates: bool
    bypasses_rows: bool
    administered: bool
    acts_as: str | None


@dataclass(frozen=True, slots=True, order=True)
class Membership:
    """`member` has what `granted` has; with `admin` it may admit others."""

    granted: str
    member: str
    admin: bool = False


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, view or sequence, with its columns."""

    name: str
    kind: Literal["table", "view", "sequence"]
    columns: Sequence[str]


@dataclass(frozen=True, slots=True)
class Function:
    """A function with its arguments, as SQL names it."""

    name: str
    arguments: str
    is_procedure: bool
    is_definer: bool
    path_is_fixed: bool


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """A privilege that a role has on a thing, or on a column of it; PUBLIC is ''.

    `arguments` are a function's. Things of the schema are named without it.
    """

    kind: Kind
    object: str
    arguments: str
    role: str
    privilege: str
    column: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Default:
    """A privilege on what the owner makes later: `kind` is r, S or f; `schema` '' is any."""

    schema: str
    kind: str
    role: str
    privilege: str


@dataclass(frozen=True, slots=True)
class Sessions:
    """Sessions of one program of ours, as one role."""

    role: str
    program: str
    sessions: int
    superuser: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """All that was seen. `grants` tells of each whether it may be handed on; `guests` are roles of
    others that work here and come in because everybody may."""

    me: Me
    schema: str
    names: RoleNames
    roles: Mapping[str, Role]
    memberships: frozenset[Membership]
    relations: tuple[Relation, ...]
    functions: tuple[Function, ...]
    grants: Mapping[Grant, bool]
    defaults: frozenset[Default]
    guests: tuple[str, ...] = ()
    sessions: tuple[Sessions, ...] = ()

    @property
    def has_roles(self) -> bool:
        """Whether any of the groups is there."""
        return any(
            self.names.group(part) in self.roles for part in self.names.groups() if part != "admin"
        )
