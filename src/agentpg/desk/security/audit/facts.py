"""What an audit looks at: frozen values, each of which may be Unlooked with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from agentpg.desk.check import Unlooked

T = TypeVar("T")

Many = tuple[T, ...] | Unlooked


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Who asks and what they may see; `role` is quoted as SQL wants it."""

    role: str
    is_superuser: bool
    sees_settings: bool
    sees_sessions: bool
    version: int
    in_recovery: bool
    database: str
    owner: str
    public_connects: bool
    public_makes_temporary: bool
    has_schema: bool
    views_are_repaired: bool
    loaded_at: datetime
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of the server with where its value comes from."""

    name: str
    value: str
    source: str
    context: str
    file: str


@dataclass(frozen=True, slots=True)
class HbaLine:
    """A line of pg_hba.conf as the server reads it; `error` says why it can't."""

    file: str
    number: int
    kind: str
    databases: Sequence[str]
    users: Sequence[str]
    address: str
    netmask: str
    method: str
    options: Sequence[str]
    error: str

    @property
    def place(self) -> str:
        """Where it stands: line 12, or included.conf:12."""
        name = self.file.rsplit("/", 1)[-1]
        return f"{name}:{self.number}" if name not in ("", "pg_hba.conf") else f"line {self.number}"


@dataclass(frozen=True, slots=True)
class Ident:
    """A line of pg_ident.conf."""

    number: int
    map: str
    system_name: str
    role: str
    error: str


@dataclass(frozen=True, slots=True)
class Role:
    """A role that is not PostgreSQL's own."""

    name: str
    is_bootstrap: bool
    superuser: bool
    creates_roles: bool
    creates_databases: bool
    replicates: bool
    bypasses_rows: bool
    logs_in: bool
    connection_limit: int | None
    valid_until: datetime | None

    @property
    def powers(self) -> tuple[str, ...]:
        """Its attributes that need a reason, as SQL names them."""
        named = {
            "CREATEROLE": self.creates_roles,
            "CREATEDB": self.creates_databases,
            "REPLICATION": self.replicates,
            "BYPASSRLS": self.bypasses_rows,
        }
        return tuple(name for name, has in named.items() if has)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """How the password of a role is stored, never the verifier itself; `rounds` of SCRAM."""

    role: str
    kind: str
    rounds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Passwords:
    """All that is known of them: how they are stored, and whose could be guessed.

    `tried` of the roles were tried with a few passwords that everybody would try first.
    """

    stored: Sequence[Stored]
    guessed: Sequence[str]
    tried: int


@dataclass(frozen=True, slots=True)
class Power:
    """A role that has the rights of another that can do much, as a direct member of `via`."""

    power: str
    role: str
    logs_in: bool
    via: str
    total: int


@dataclass(frozen=True, slots=True)
class Group:
    """A role that is directly a member of another."""

    member: str
    role: str


@dataclass(frozen=True, slots=True)
class AdminOption:
    """A role that may make others members of a role."""

    role: str
    member: str
    total: int


@dataclass(frozen=True, slots=True)
class PublicRelation:
    """What everybody may do with a table or sequence."""

    name: str
    privileges: str
    writes: bool
    kind: str
    total: int


@dataclass(frozen=True, slots=True)
class PublicDefault:
    """What everybody will have on what is made later."""

    role: str
    schema: str
    kind: str
    privileges: str


@dataclass(frozen=True, slots=True)
class GrantOption:
    """Who may hand on a right on an object."""

    role: str
    object: str
    total: int


@dataclass(frozen=True, slots=True)
class DirectGrant:
    """A role that logs in with rights of its own on so many tables."""

    role: str
    tables: int
    total: int


@dataclass(frozen=True, slots=True)
class Ownership:
    """How much of a schema a role owns; `owner` is empty where the role is gone."""

    schema: str
    owner: str
    logs_in: bool
    superuser: bool
    relations: int


@dataclass(frozen=True, slots=True)
class Definer:
    """A function that runs with its owner's rights."""

    name: str
    is_procedure: bool
    owner: str
    superuser: bool
    path_is_fixed: bool
    public_calls: bool
    total: int


@dataclass(frozen=True, slots=True)
class OpenView:
    """A view that shows rows past their policies."""

    name: str
    reads: str


@dataclass(frozen=True, slots=True)
class Guarded:
    """A table with policies, or with row-level security."""

    name: str
    enabled: bool
    forced: bool
    owner_logs_in: bool
    policies: int
    always_true: Sequence[str]


@dataclass(frozen=True, slots=True)
class Tenants:
    """Whether tasks have tenants, and whether row-level security is on for them."""

    used: bool
    guarded: bool


@dataclass(frozen=True, slots=True)
class Language:
    """A language without a cage, and the number of functions in it."""

    name: str
    functions: int


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension; `available` is empty where its files are gone."""

    name: str
    version: str
    available: str


@dataclass(frozen=True, slots=True)
class Account:
    """A role's account on another server."""

    server: str
    role: str
    has_password: bool
    needs_none: bool


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription; only whether its connection string holds a password."""

    name: str
    has_password: bool


@dataclass(frozen=True, slots=True)
class Sensitive:
    """A column whose name promises a secret, and who may read it beside its owner."""

    name: str
    readers: Sequence[str]
    public_reads: bool


@dataclass(frozen=True, slots=True)
class PlainSession:
    """Sessions of one role from one address without TLS."""

    role: str
    address: str
    sessions: int
    total: int


@dataclass(frozen=True, slots=True)
class Override:
    """A setting that a role or a database has instead of the server's."""

    database: str
    role: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A right on a setting itself; `role` may be PUBLIC."""

    name: str
    role: str
    privilege: str


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file or folder of the server on this machine; `mode` as in 0o600."""

    what: str
    path: str
    mode: int
    owner: str
    secret: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Dsn:
    """A connection string of ours: by which setting, to where, and with which sslmode."""

    setting: str
    host: str
    local: bool
    sslmode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All of it. `private` is whether the server is our own, for this machine alone."""

    server: Server
    schema: str
    settings: Mapping[str, Setting]
    hba: Many[HbaLine]
    hba_changed_at: datetime | Unlooked
    idents: Many[Ident]
    roles: Many[Role]
    passwords: Passwords | Unlooked
    powers: Many[Power]
    groups: Many[Group]
    admin_options: Many[AdminOption]
    open_schemas: Many[str]
    public_relations: Many[PublicRelation]
    public_functions: int | Unlooked
    public_defaults: Many[PublicDefault]
    grant_options: Many[GrantOption]
    direct_grants: Many[DirectGrant]
    ownerships: Many[Ownership]
    makers: Many[str]
    definers: Many[Definer]
    open_views: Many[OpenView]
    guarded: Many[Guarded]
    tenants: Many[Tenants]
    languages: Many[Language]
    extensions: Many[Extension]
    mappings: Many[Account]
    subscriptions: Many[Subscription]
    sensitive: Many[Sensitive]
    unhashed: int | Unlooked
    sessions: Many[PlainSession]
    overrides: Many[Override]
    parameters: Many[Parameter]
    files: Many[File]
    dsns: Sequence[Dsn]
    rotated_at: datetime | None
    private: bool

    def value(self, name: str) -> str | None:
        """A setting's value; None where there is none of that name, or it is hidden."""
        found = self.settings.get(name)
        return None if found is None else found.value

    @property
    def major(self) -> int:
        """The server's major version."""
        return self.server.version // 10_000
