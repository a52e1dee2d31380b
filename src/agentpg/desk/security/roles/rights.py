"""What each part of an installation may do: the one table of roles, things and rights.

Everything else is made of it: what `agentpg security roles` grants and takes, what its tests try,
and the page of the reference. What is not said here nobody has but the owner. Backup may read
every table and sequence, so it is not named for each.

Rights on single columns hold who works to his part: a worker may say what came of a task, and
not what was asked; who submits may ask, and not say that it is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from agentpg.desk.security.roles.names import Part
from agentpg.language import N_

Privilege = Literal["SELECT", "INSERT", "UPDATE", "DELETE", "EXECUTE", "USAGE", "CONNECT"]
Of = Mapping[Part, tuple["Right", ...]]


@dataclass(frozen=True, slots=True)
class Right:
    """A privilege on a whole thing, or on some columns of it."""

    privilege: Privilege
    columns: tuple[str, ...] = ()


def _read(*columns: str) -> Right:
    return Right("SELECT", columns)


def _insert(columns: str) -> Right:
    return Right("INSERT", tuple(columns.split()))


def _update(columns: str) -> Right:
    return Right("UPDATE", tuple(columns.split()))


_READ, _DELETE = Right("SELECT"), Right("DELETE")
_CALL = (Right("EXECUTE"),)

# What is asked, by a program or by plain SQL; who asked is written down by the server.
_ASKED = _insert(
    "id agent_name task_type status created_at payload priority run_at idempotency_key "
    "max_attempts on_crash tenant parent_id lane"
)
# What a worker says of a task: all but what was asked.
_SETTLED = _update(
    "status run_at attempt errors crashes max_attempts on_crash suspect started_at finished_at "
    "worker result error_message held_reason lane"
)
# Cancel, retry, hold, release.
_STEERED = _update(
    "status run_at errors crashes finished_at cancel_requested_at result error_message held_reason"
)
# Neither what a task was given nor what came of it.
_SEEN_OF_TASKS = _read(
    "id",
    "agent_name",
    "task_type",
    "status",
    "created_at",
    "error_message",
    "priority",
    "run_at",
    "attempt",
    "errors",
    "crashes",
    "max_attempts",
    "on_crash",
    "suspect",
    "started_at",
    "finished_at",
    "cancel_requested_at",
    "worker",
    "idempotency_key",
    "tenant",
    "parent_id",
    "submitted_by",
    "held_reason",
    "adopted",
    "lane",
)
_TICKED = _update(
    "agent_name task_type payload priority max_attempts on_crash tenant cron time_zone catch_up "
    "declared next_at last_at last_task_id problem updated_at"
)
_SCHEDULED = _insert(
    "name agent_name task_type payload priority max_attempts on_crash tenant cron time_zone "
    "catch_up declared next_at"
)
_COUNTED = (
    "llm_calls llm_total_tokens llm_input_tokens llm_cached_tokens llm_output_tokens "
    "llm_reasoning_tokens llm_unknown_calls llm_unpriced_calls cost_usd"
)
_LIMITED = "concurrency rate period_seconds declared_by declared_at"
_NEW_LIMIT = _insert("agent_name task_type key concurrency rate period_seconds declared_by")

_SEEN_OF_USERS = _read("id", "username", "role", "created_at", "disabled_at", "adopted")

_ALERTING = (_READ, Right("INSERT"), Right("UPDATE"), _DELETE)

# Tables and views, in the order of schema.sql.
RELATIONS: Mapping[str, Of] = {
    "schema_migrations": {
        "agent": (_READ,),
        "client": (_READ,),
        "monitor": (_READ,),
        "web": (_READ,),
        "readonly": (_READ,),
    },
    "tasks": {
        "agent": (_READ, _ASKED, _SETTLED),
        "client": (_READ, _ASKED),
        "monitor": (_SEEN_OF_TASKS,),
        # It submits for accounts, by name.
        "web": (_READ, _ASKED, _STEERED, _update("submitted_by")),
        "readonly": (_READ,),
    },
    "agent_executions": {
        "agent": (
            _READ,
            _insert("task_id attempt agent_name task_type worker execution_start"),
            _update(
                f"execution_end duration_seconds outcome error_message {_COUNTED} progress "
                "progress_text progress_at"
            ),
        ),
        "client": (_READ,),
        "monitor": (_READ,),
        "web": (_READ,),
        "readonly": (_READ,),
    },
    "llm_requests": {
        "agent": (
            _READ,
            _insert("id task_id attempt agent_name provider model"),
            _update(
                "status ended_at duration_seconds response_model response_id input_tokens "
                "cache_read_tokens cache_write_tokens output_tokens reasoning_tokens cost_usd "
                "cost_source finish_reason error_message"
            ),
        ),
        "client": (_READ,),
        "monitor": (_READ,),
        "web": (_READ,),
        "readonly": (_READ,),
    },
    "schedules": {
        "agent": (_READ, _SCHEDULED, _TICKED),
        "monitor": (_READ,),
        "web": (
            _READ,
            _SCHEDULED,
            _update(
                "agent_name task_type payload priority max_attempts on_crash tenant cron "
                "time_zone catch_up declared paused_at next_at last_at last_task_id problem "
                "updated_at"
            ),
            _DELETE,
        ),
        "readonly": (_READ,),
    },
    "task_events": {
        "agent": (_insert("task_id attempt number at level message"),),
        "client": (_READ,),
        "web": (_READ,),
        "readonly": (_READ,),
    },
    "workers": {
        "agent": (
            _READ,
            _insert("id host pid version concurrency lease_seconds handlers"),
            _update("heartbeat heartbeat_at idle running ended_at ended_how"),
            _DELETE,
        ),
        # Whoever submits wakes idle workers, and is told whether one knows the handler.
        "client": (_READ,),
        "monitor": (_READ,),
        "web": (_READ,),
        "readonly": (_READ,),
    },
    "samples": {"monitor": (_READ,), "web": (_READ,), "readonly": (_READ,)},
    "alerts": {
        "monitor": _ALERTING,
        "web": (_READ, _update("acked_at acked_by ack_note")),
        "readonly": (_READ,),
    },
    "outbox": {"monitor": _ALERTING, "web": (_READ,), "readonly": (_READ,)},
    "silences": {
        "monitor": _ALERTING,
        "web": (_READ, _insert("matchers owner reason ends_at"), _update("ends_at")),
        "readonly": (_READ,),
    },
    "looks": {
        "monitor": (_READ, Right("INSERT"), Right("UPDATE")),
        "web": (_READ,),
        "readonly": (_READ,),
    },
    "users": {
        "monitor": (_SEEN_OF_USERS,),
        # It compares what is typed with the hashes, and hashes anew what is out of date.
        "web": (_READ, _update("password_hash")),
        "readonly": (_SEEN_OF_USERS,),
    },
    "account_details": {
        "monitor": (_READ,),
        "web": (_READ, Right("INSERT"), Right("UPDATE")),
    },
    "account_tokens": {
        # Not their hashes.
        "monitor": (
            _read(
                "id",
                "user_id",
                "name",
                "hint",
                "scopes",
                "created_at",
                "created_by",
                "expires_at",
                "last_used_at",
                "revoked_at",
            ),
        ),
        "web": (_READ, _update("last_used_at")),
    },
    "login_failures": {
        "monitor": (_READ,),
        "web": (_READ, Right("INSERT"), Right("UPDATE"), _DELETE),
    },
    "audit_log": {
        "monitor": (_READ,),
        # When it was, who it was for the server, and the hashes are not its to say.
        "web": (_READ, _insert("action object outcome account os_user program details")),
        "readonly": (_READ,),
    },
    # The trigger moves it, with its owner's rights.
    "audit_head": {"monitor": (_READ,), "web": (_READ,), "readonly": (_READ,)},
    # Which tenants there are is nobody's but the owner's.
    "tenant_logins": {},
    "limits": {
        "agent": (_READ, _NEW_LIMIT, _update(_LIMITED)),
        "monitor": (_READ,),
        "web": (_READ, _NEW_LIMIT, _update(_LIMITED), _DELETE),
        "readonly": (_READ,),
    },
    "limit_starts": {
        "agent": (_READ, _insert("limit_id value started_at tasks"), _update("tasks"), _DELETE),
        "readonly": (_READ,),
    },
    "paused_agents": {
        "agent": (_READ,),
        "monitor": (_READ,),
        "web": (_READ, _insert("agent_name reason"), _DELETE),
        "readonly": (_READ,),
    },
    "ruled": {"agent": (_READ,), "client": (_READ,), "web": (_READ,), "readonly": (_READ,)},
    "task_counts": {"monitor": (_READ,), "web": (_READ,), "readonly": (_READ,)},
    "agent_statistics": {"monitor": (_READ,), "web": (_READ,), "readonly": (_READ,)},
    "llm_usage": {"monitor": (_READ,), "web": (_READ,), "readonly": (_READ,)},
}

# Functions of the schema by name. Triggers need no right: the server calls them.
FUNCTIONS: Mapping[str, Of] = {
    # Where a row gets its id by default, who inserts it calls this.
    "uuid7": {"agent": _CALL, "client": _CALL, "monitor": _CALL, "web": _CALL},
    "complete_plain_write": {},
    "wake_workers": {},
    "tell_of_schedules": {},
    "place_of": {"agent": _CALL},
    "lane_of": {"agent": _CALL, "client": _CALL, "web": _CALL},
    "ruled_among": {"agent": _CALL},
    "sort_tasks": {"agent": _CALL},
    "waits_in_lane": {"agent": _CALL},
    "submit": {"agent": _CALL, "client": _CALL, "web": _CALL},
    "my_tenant": {"client": _CALL},
    "is_my_tenants": {"client": _CALL},
    "fill_in_tenant": {},
    "refuse_unasked": {},
    "audit_hash": {},
    "chain_audit_entry": {},
    "keep_audit_log": {},
}

# Functions of PostgreSQL's own that only superusers may call unless it is granted.
SERVER_FUNCTIONS: Mapping[str, Of] = {
    # A mark that a recovery can stop at.
    "pg_create_restore_point(text)": {"backup": _CALL},
    "pg_switch_wal()": {"backup": _CALL},
}

# PostgreSQL's own roles that a group is a member of.
MEMBERSHIPS: Mapping[Part, tuple[str, ...]] = {
    # Who looks after the database ends sessions that hold it up, which are others'.
    "admin": ("pg_signal_backend",),
    "monitor": ("pg_monitor",),
    # All tables of the database, and where the server's files are.
    "backup": ("pg_read_all_data", "pg_read_all_settings"),
}

# Attributes that are not inherited, so each login has them itself.
LOGIN_ATTRIBUTES: Mapping[Part, tuple[str, ...]] = {
    # pg_basebackup copies by replication; pg_dump refuses a table of which it would see a part.
    "backup": ("REPLICATION", "BYPASSRLS"),
}

# Which functions run with their owner's rights, and why.
DEFINERS: Mapping[str, str] = {
    "place_of": N_("who submits need not read the limits of all agents"),
    "lane_of": N_("who submits need not read the limits of all agents"),
    "chain_audit_entry": N_("who adds an entry may not touch the end of the chain"),
    "my_tenant": N_("who works for one tenant need not see which others there are"),
    "fill_in_tenant": N_("who works for one tenant need not see which others there are"),
    "is_my_tenants": N_("a policy on tasks may not look at tasks"),
}

# In a sentence each, for people.
MEANINGS: Mapping[Part, str] = {
    "admin": N_("owns the schema: migrations, maintenance, retention"),
    "agent": N_("a worker: claims tasks, settles them, records what came of them"),
    "client": N_("a program that submits tasks and reads what came of them"),
    "monitor": N_("reads all statistics, and keeps alerts; sees neither payloads nor results"),
    "backup": N_("reads everything, all rows, and copies the cluster"),
    "web": N_("a dashboard: reads, cancels, holds, retries, pauses"),
    "readonly": N_("reads; sees no secrets of accounts"),
}
