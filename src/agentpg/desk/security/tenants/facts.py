"""What there is of tenants, as it was seen: frozen, for the decisions."""

from __future__ import annotations

from dataclasses import dataclass

from agentpg.desk.security.roles.names import GROUPS, RoleNames
from agentpg.language import N_

# What tenants share, the one first by which the others are told apart.
TABLES = ("tasks", "agent_executions", "llm_requests", "task_events")

# The policies that are ours.
POLICIES = ("all_rows", "own_tenant")


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedTable:
    """A table of all tenants. `grantees` are the roles that were granted anything; '' is PUBLIC."""

    name: str
    guarded: bool
    owned: bool
    policies: tuple[str, ...]
    fills_in: bool
    grantees: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A login of a client, or one that is bound; `others` are further groups of ours it is in."""

    name: str
    tenant: str | None
    is_there: bool
    logs_in: bool
    superuser: bool
    bypasses_rows: bool
    is_client: bool
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenants:
    """All that was seen."""

    schema: str
    names: RoleNames
    tables: tuple[SharedTable, ...]
    logins: tuple[Login, ...]
    roles: frozenset[str]

    @property
    def are_on(self) -> bool:
        """Whether every table is guarded by our policies."""
        return all(table.guarded and set(POLICIES) <= set(table.policies) for table in self.tables)

    @property
    def unbound(self) -> tuple[Login, ...]:
        """The clients that work for no tenant, and so see nothing while tenants are on."""
        return tuple(
            login
            for login in self.logins
            if login.tenant is None and unfit(login, self.names) is None
        )

    @property
    def bound(self) -> tuple[Login, ...]:
        """The logins that work for a tenant, or are to."""
        return tuple(login for login in self.logins if login.tenant is not None)

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of ours that are there."""
        return tuple(group for part in GROUPS if (group := self.names.group(part)) in self.roles)


def unfit(login: Login, names: RoleNames) -> str | None:
    """Why a login can't be kept to one tenant, as a sentence for people; None where it can."""
    if not login.is_there:
        return N_("there is no such role")
    if login.superuser:
        return N_("it is a superuser")
    if login.bypasses_rows:
        return N_("it has BYPASSRLS")
    if names.owner in login.others:
        return N_("it may act as the owner of the tables")
    if not login.is_client:
        return N_("it is no client")
    if login.others:
        return N_("it is a member of other groups too, which see all rows")
    return None if login.logs_in else N_("it may not log in")
