"""What may be submitted, and how tasks become the parameters of a statement."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from agentpg.errors import (
    FieldSealed,
    IdempotencyConflict,
    InvalidTask,
    KeyTaken,
    WrongState,
)
from agentpg.sealing import Sealer
from agentpg.tasks.encoding import encode_payload, plain_text
from agentpg.tasks.model import NewTask

# One statement takes so many tasks, and while the server works on it the next one is made.
_TASKS_A_STATEMENT = 1000

_SINGULAR = {
    "ids": "id",
    "agent_names": "agent_name",
    "task_types": "task_type",
    "payloads": "payload",
    "priorities": "priority",
    "run_ats": "run_at",
    "delays": "delay",
    "keys": "key",
    "max_attempts": "max_attempts",
    "on_crashes": "on_crash",
    "tenants": "tenant",
    "parents": "parent",
}

# What the function lane_of of the schema says.
_NO_FIELD = re.compile(r"the payload has no (?P<key>.+), by which a limit of (?P<agent>.+) counts")

_LONGEST_NAME = 100
_LONGEST_KEY = 200
_MOST_ATTEMPTS = 1_000_000


def submissions(
    tasks: Sequence[NewTask], payload_limit: int, sealer: Sealer | None = None
) -> Iterator[dict[str, list[Any]]]:
    """The parameters of one statement after the other; see `submission`."""
    for start in range(0, len(tasks), _TASKS_A_STATEMENT):
        yield submission(tasks[start : start + _TASKS_A_STATEMENT], payload_limit, sealer)


def is_one_statement(tasks: Sequence[NewTask]) -> bool:
    """Whether these are surely submitted by one statement, which needs no transaction."""
    keyed = any(task.idempotency_key is not None for task in tasks)
    return len(tasks) <= _TASKS_A_STATEMENT and not keyed


def submission(
    tasks: Sequence[NewTask], payload_limit: int, sealer: Sealer | None = None
) -> dict[str, list[Any]]:
    """The parameters of the statement `submit`; each task gets an id if it has none.

    What the sealer covers is sealed.

    Raises InvalidTask or one of its kinds for the first task that cannot be submitted.
    """
    checked = None
    for task in tasks:
        if (names := (task.agent_name, task.task_type)) != checked:
            _check_names(task)
            checked = names
        _check_options(task)
    ids = [task.id or uuid7() for task in tasks]
    payloads = [encode_payload(task.payload, payload_limit) for task in tasks]
    if sealer is not None:
        payloads = [
            sealer.payload(task.agent_name, task.task_type, new, payload)
            for task, new, payload in zip(tasks, ids, payloads, strict=True)
        ]
    return {
        "ids": ids,
        "agent_names": [task.agent_name for task in tasks],
        "task_types": [task.task_type for task in tasks],
        "payloads": payloads,
        "priorities": [task.priority for task in tasks],
        "run_ats": [task.run_at for task in tasks],
        "delays": [task.delay.total_seconds() if task.delay else 0.0 for task in tasks],
        "keys": [task.idempotency_key for task in tasks],
        "max_attempts": [task.max_attempts for task in tasks],
        "on_crashes": [task.on_crash for task in tasks],
        "tenants": [task.tenant for task in tasks],
        "parents": [task.parent_id for task in tasks],
    }


def plain_submission(
    task: NewTask, payload_limit: int, sealer: Sealer | None = None
) -> dict[str, Any]:
    """The parameters of the statement `submit_plain`, for one task without a key.

    Raises as `submission`.
    """
    check(task)
    new = task.id or uuid7()
    payload = encode_payload(task.payload, payload_limit)
    if sealer is not None:
        payload = sealer.payload(task.agent_name, task.task_type, new, payload)
    return {
        "id": new,
        "agent_name": task.agent_name,
        "task_type": task.task_type,
        "payload": payload,
        "priority": task.priority,
        "run_at": task.run_at,
        "delay": task.delay.total_seconds() if task.delay else 0.0,
        "max_attempts": task.max_attempts,
        "on_crash": task.on_crash,
        "tenant": task.tenant,
        "parent": task.parent_id,
    }


def is_plain(tasks: Sequence[NewTask]) -> bool:
    """Whether this is one task without a key."""
    return len(tasks) == 1 and tasks[0].idempotency_key is None


def alike(parameters: dict[str, list[Any]]) -> dict[str, Any] | None:
    """The parameters of the statement `submit_alike`, where it takes these tasks.

    It does if none of them has an idempotency key, and if all have the same values but for
    ids and payloads.
    """
    common = {n: column for n, column in parameters.items() if n not in ("ids", "payloads")}
    first = {name: column[0] for name, column in common.items()}
    if first["keys"] is not None:
        return None
    if any(column.count(first[name]) != len(column) for name, column in common.items()):
        return None
    own = {"ids": parameters["ids"], "payloads": parameters["payloads"]}
    return own | {_SINGULAR[name]: value for name, value in first.items()}


def single(parameters: dict[str, list[Any]]) -> dict[str, Any]:
    """The parameters of the statements for one task."""
    return {_SINGULAR[name]: values[0] for name, values in parameters.items()}


def check(task: NewTask) -> None:
    """Raise InvalidTask if a value is out of its range."""
    _check_names(task)
    _check_options(task)


def _check_names(task: NewTask) -> None:
    _check_text("agent_name", task.agent_name, _LONGEST_NAME)
    _check_text("task_type", task.task_type, _LONGEST_NAME)


def _check_options(task: NewTask) -> None:
    if task.idempotency_key is not None:
        _check_text("idempotency_key", task.idempotency_key, _LONGEST_KEY)
    if task.tenant is not None:
        _check_text("tenant", task.tenant, _LONGEST_NAME)
    if not _is_whole(task.priority) or not 0 <= task.priority <= 1000:
        raise InvalidTask(f"priority is 0 to 1000, not {task.priority!r}")
    if task.max_attempts is not None and not (
        _is_whole(task.max_attempts) and 1 <= task.max_attempts <= _MOST_ATTEMPTS
    ):
        raise InvalidTask(f"max_attempts is 1 to {_MOST_ATTEMPTS}, not {task.max_attempts!r}")
    if task.on_crash not in ("retry", "fail"):
        raise InvalidTask(f'on_crash is "retry" or "fail", not {task.on_crash!r}')
    if task.run_at is not None or task.delay is not None:
        _check_times(task.run_at, task.delay)
    if task.parent_id is not None and not isinstance(task.parent_id, UUID):
        raise InvalidTask(f"parent_id is a UUID, not {task.parent_id!r}")


def without_keys(parameters: dict[str, list[Any]]) -> tuple[str, dict[str, Any]] | None:
    """The quicker statement for tasks of which none can be a repeat, with its parameters."""
    if len(parameters["ids"]) == 1:
        return None if parameters["keys"][0] is not None else ("submit_plain", single(parameters))
    same = alike(parameters)
    return None if same is None else ("submit_alike", same)


def conflict_or_ids(
    ids: list[UUID], inserted: set[UUID], first: list[tuple[UUID, UUID, bool]], keys: dict[str, Any]
) -> list[UUID]:
    """The ids to answer: each task's own, or the first one's for a repeated key.

    `first` has (repeated id, first id, same payload). Raises IdempotencyConflict where the
    payloads differ, and KeyTaken where the first one is not to be seen.
    """
    firsts = {repeated: (task, same) for repeated, task, same in first}
    for position, new in enumerate(ids):
        if new in inserted:
            continue
        task, same = firsts.get(new, (None, False))
        if not same:
            what = {
                "key": keys["keys"][position],
                "agent_name": keys["agent_names"][position],
                "task_type": keys["task_types"][position],
            }
            raise KeyTaken(**what) if task is None else IdempotencyConflict(**what, task_id=task)
    return [new if new in inserted else firsts[new][0] for new in ids]


def repeated(parameters: dict[str, list[Any]], inserted: set[UUID]) -> dict[str, list[Any]]:
    """The parameters of the statement `find_first`, for tasks that were not inserted."""
    missing = [n for n, new in enumerate(parameters["ids"]) if new not in inserted]
    names = ("ids", "agent_names", "task_types", "payloads", "keys")
    return {name: [parameters[name][n] for n in missing] for name in names}


def wrong_state(task_id: UUID, status: str | None, action: str) -> WrongState:
    """The error for a task whose state does not allow an action."""
    return WrongState(task_id=task_id, status=status, action=action)


def field_sealed(
    sealer: Sealer, tasks: Sequence[NewTask], error: InvalidTask
) -> FieldSealed | None:
    """A clear error where a limit counts by a field of a payload that is sealed."""
    found = _NO_FIELD.fullmatch(str(error.values["reason"]))
    if found is None:
        return None
    for task in tasks:
        names = (task.agent_name, task.task_type)
        if task.agent_name == found["agent"] and sealer.covers(*names, "payload"):
            return FieldSealed(tasks=found["agent"], key=found["key"])
    return None


def _check_text(what: str, text: object, longest: int) -> None:
    if not isinstance(text, str) or not text:
        raise InvalidTask(f"{what} is empty" if text == "" else f"{what} is a text, not {text!r}")
    if len(text) > longest:
        raise InvalidTask(f"{what} has {len(text)} characters, over the limit of {longest}")
    if "\x1f" in text or plain_text(text) != text:
        raise InvalidTask(f"{what} holds a character that it must not: {text!r}")


def _check_times(run_at: object, delay: object) -> None:
    if run_at is not None and not isinstance(run_at, datetime):
        raise InvalidTask(f"run_at is a datetime, not {run_at!r}")
    if run_at is not None and run_at.tzinfo is None:
        raise InvalidTask(f"run_at needs a time zone: {run_at!r}")
    if delay is not None and not isinstance(delay, timedelta):
        raise InvalidTask(f"delay is a timedelta, not {delay!r}")
    if delay is not None and run_at is not None:
        raise InvalidTask("give run_at or delay, not both")


def _is_whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)
