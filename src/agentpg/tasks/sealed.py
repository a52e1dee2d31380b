"""Values of tasks that are sealed in the database, opened where the key is here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar
from uuid import UUID

from agentpg.errors import AgentpgError, SealBroken
from agentpg.language import N_
from agentpg.sealing import (
    MARK,
    Keyring,
    Place,
    Sealer,
    is_sealed_json,
    is_sealed_text,
    key_of_token,
    open_in_task,
    token_in,
)
from agentpg.tasks.encoding import Unreadable, decode_payload
from agentpg.tasks.model import (
    Claimed,
    Execution,
    LlmRequest,
    Outcome,
    Settlement,
    Task,
    TaskEvent,
)
from agentpg.tasks.schedules import Schedule

# What is shown in place of a sealed text that cannot be opened here.
SEALED = N_("(sealed)")
_PLAIN = N_("it is not sealed, and here only sealed payloads are run")

Ended = TypeVar("Ended", Execution, LlmRequest)


@dataclass(frozen=True, slots=True)
class Sealed(Unreadable):
    """Stands for a sealed value that cannot be opened here; `key` is the name of its key."""

    key: str

    @property
    def may_pass(self) -> bool:
        """Whether it only lacks its key."""
        return bool(self.key)


def opened_payload(
    sealer: Sealer | None, text: str, task_id: UUID, agent_name: str, task_type: str
) -> Any:
    """A claimed payload from its JSON text; Unreadable for one that is not to be run."""
    if is_sealed_json(text):
        return _opened(sealer, decode_payload(text), "payload", task_id, agent_name, task_type)
    return decode_payload(text)


def refusal(sealer: Sealer, agent_name: str, task_type: str) -> Unreadable | None:
    """What stands for a plain payload that is not to be run; None for one that is."""
    return Unreadable(_PLAIN) if sealer.refuses_plain(agent_name, task_type) else None


def opened_task(sealer: Sealer | None, task: Task) -> Task:
    """A task as its reader sees it; the same object where nothing is sealed."""
    names = (task.agent_name, task.task_type)
    changed: dict[str, Any] = {}
    for column in ("payload", "result"):
        value = getattr(task, column)
        if token_in(value) is not None:
            changed[column] = _opened(sealer, value, column, task.id, *names)
    if is_sealed_text(task.error_message or ""):
        changed["error_message"] = _text(sealer, task.error_message or "", "error", task.id)
    return replace(task, **changed) if changed else task


def opened_end(sealer: Sealer | None, ended: Ended) -> Ended:
    """An execution or a call as its reader sees it."""
    changed: dict[str, Any] = {}
    if is_sealed_text(ended.error_message or ""):
        changed["error_message"] = _text(sealer, ended.error_message or "", "error", ended.task_id)
    progress = getattr(ended, "progress_text", None) or ""
    if is_sealed_text(progress):
        changed["progress_text"] = _text(sealer, progress, "log", ended.task_id)
    return replace(ended, **changed) if changed else ended


def opened_event(sealer: Sealer | None, event: TaskEvent) -> TaskEvent:
    """A log line as its reader sees it."""
    if not is_sealed_text(event.message):
        return event
    return replace(event, message=_text(sealer, event.message, "log", event.task_id))


def opened_log_text(sealer: Sealer | None, text: str, task_id: UUID) -> str:
    """The text of a task's progress as its reader sees it."""
    return _text(sealer, text, "log", task_id) if is_sealed_text(text) else text


def opened_schedule(sealer: Sealer | None, schedule: Schedule) -> Schedule:
    """A schedule as its reader sees it."""
    if token_in(schedule.payload) is None:
        return schedule
    names = (schedule.agent_name, schedule.task_type)
    # A schedule's payload is bound to its agent and type, and to no task.
    payload = _opened(sealer, schedule.payload, "payload", UUID(int=0), *names)
    return replace(schedule, payload=payload)


def sealed_settlement(sealer: Sealer, task: Claimed, settlement: Settlement) -> Settlement:
    """What is written about an attempt, its result and its handler's error sealed.

    Other errors are our own words, by which programs know what happened.
    """
    names = (task.agent_name, task.task_type)
    changed: dict[str, Any] = {}
    if settlement.result is not None and sealer.covers(*names, "result"):
        place = Place.in_task("result", task.id)
        changed["result"] = sealer.json(place, settlement.result)
    if settlement.outcome is Outcome.FAILED and sealer.covers(*names, "error"):
        place = Place.in_task("error", task.id)
        for name in ("error", "attempt_error"):
            text = getattr(settlement, name)
            if text is not None:
                changed[name] = sealer.text(place, text)
    return settlement._replace(**changed) if changed else settlement


def sealed_log_text(
    sealer: Sealer | None, agent_name: str, task_type: str, task_id: UUID, text: str
) -> str:
    """A log line or the text of the progress as it is stored."""
    if sealer is None or not sealer.covers(agent_name, task_type, "log"):
        return text
    return sealer.text(Place.in_task("log", task_id), text)


def same_payload(
    sealer: Sealer, agent_name: str, task_type: str, first: tuple[UUID, str], new: tuple[UUID, str]
) -> bool:
    """Whether two stored payloads, each with its task, are the same once they are opened."""
    values = []
    for task_id, text in (first, new):
        value = opened_payload(sealer, text, task_id, agent_name, task_type)
        if isinstance(value, Unreadable):
            return False
        values.append(value)
    return bool(values[0] == values[1])


def _opened(
    sealer: Sealer | None,
    value: Any,
    column: str,
    task_id: UUID,
    agent_name: str | None,
    task_type: str | None,
) -> Any:
    token = token_in(value)
    if token is None:
        return value
    keys = sealer.keys if sealer is not None else Keyring()
    try:
        return decode_payload(open_in_task(keys, token, column, task_id, agent_name, task_type))
    except AgentpgError as error:
        return Sealed(str(error), "" if isinstance(error, SealBroken) else key_of_token(token))


def _text(sealer: Sealer | None, text: str, column: str, task_id: UUID) -> str:
    keys = sealer.keys if sealer is not None else Keyring()
    try:
        return open_in_task(keys, text[len(MARK) + 1 :], column, task_id, None, None)
    except AgentpgError:
        return SEALED
