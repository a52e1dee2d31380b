"""What each role may do: one table. A role may do all that the roles before it may."""

from __future__ import annotations

from enum import StrEnum

from agentpg.language import N_


class Role(StrEnum):
    """The roles of accounts, from the one that may least."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """Its place, from 0."""
        return list(Role).index(self)

    def may(self, permission: Permission) -> bool:
        """Whether it has this permission."""
        return self.rank >= LEAST[permission][0].rank

    def permissions(self) -> list[Permission]:
        """All that it may."""
        return [one for one in Permission if self.may(one)]


class Permission(StrEnum):
    """What there is to be allowed; the scopes of tokens have the same names."""

    TASKS_READ = "tasks:read"
    METRICS_READ = "metrics:read"
    REPORTS_READ = "reports:read"
    TASKS_SUBMIT = "tasks:submit"
    TASKS_MANAGE = "tasks:manage"
    AGENTS_MANAGE = "agents:manage"
    SCHEDULES_MANAGE = "schedules:manage"
    ALERTS_MANAGE = "alerts:manage"
    APPROVALS_DECIDE = "approvals:decide"
    TASKS_SUBMIT_FOR = "tasks:submit_for"
    BACKUPS_MANAGE = "backups:manage"
    USERS_MANAGE = "users:manage"
    AUDIT_READ = "audit:read"


# The least role that has each permission, and what it is for.
LEAST: dict[Permission, tuple[Role, str]] = {
    Permission.TASKS_READ: (Role.VIEWER, N_("see tasks, their executions, agents and workers")),
    Permission.METRICS_READ: (Role.VIEWER, N_("read the metrics")),
    Permission.REPORTS_READ: (Role.VIEWER, N_("read reports, statistics, costs and findings")),
    Permission.TASKS_SUBMIT: (Role.OPERATOR, N_("submit tasks in one's own name")),
    Permission.TASKS_MANAGE: (Role.OPERATOR, N_("cancel, retry, hold and release tasks")),
    Permission.AGENTS_MANAGE: (Role.OPERATOR, N_("limit, pause and resume agents")),
    Permission.SCHEDULES_MANAGE: (
        Role.OPERATOR,
        N_("add, pause, resume, run and remove schedules"),
    ),
    Permission.ALERTS_MANAGE: (Role.OPERATOR, N_("acknowledge and silence alerts")),
    Permission.APPROVALS_DECIDE: (Role.APPROVER, N_("approve or reject what tasks wait for")),
    Permission.TASKS_SUBMIT_FOR: (Role.ADMIN, N_("submit tasks in the name of another account")),
    Permission.BACKUPS_MANAGE: (Role.ADMIN, N_("make, restore and remove backups")),
    Permission.USERS_MANAGE: (Role.ADMIN, N_("add accounts, and change roles and tokens")),
    Permission.AUDIT_READ: (Role.ADMIN, N_("read and verify the audit log")),
}
