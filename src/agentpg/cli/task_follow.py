"""How a task is shown while it goes on: a line for each thing that happens."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from agentpg.cli import figures
from agentpg.cli.output import Output, visible
from agentpg.cli.reasons import reason_in
from agentpg.language import N_
from agentpg.tasks.following import TaskStory
from agentpg.tasks.model import Execution, LlmRequest, Task, TaskEvent


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened: what kind, when, in words, and as fields for a program.

    What has the same `key` has been told.
    """

    kind: str
    key: tuple[object, ...]
    at: datetime | None
    text: str
    fields: dict[str, Any]


def show_events(out: Output, stories: Iterable[TaskStory]) -> TaskStory:
    """A line for each thing that happens, and a bar on a terminal; returns the last story."""
    last: TaskStory | None = None
    told: set[tuple[object, ...]] = set()
    with out.gauge() as gauge:
        for last in stories:
            for one in _news(out, last, told):
                if one.kind != "progress" or not gauge.show(**one.fields):
                    gauge.say(f"{_clock(one.at)}  {visible(' '.join(one.text.split()))}")
    assert last is not None  # noqa: S101 - following a task gives at least one story
    return last


def write_events(out: Output, stories: Iterable[TaskStory]) -> None:
    """A line of JSON for each thing that happens; the last one is that the task has ended."""
    told: set[tuple[object, ...]] = set()
    for story in stories:
        for one in _news(out, story, told):
            out.json_line({"event": one.kind, "at": one.at, **one.fields})


def _news(out: Output, story: TaskStory, told: set[tuple[object, ...]]) -> Iterator[Happening]:
    for happening in _happenings(out, story):
        if happening.key not in told:
            told.add(happening.key)
            yield happening


def _happenings(out: Output, story: TaskStory) -> Iterator[Happening]:
    """All that has happened to a task, in order."""
    task = story.task
    names = {"task_id": task.id, "agent_name": task.agent_name, "task_type": task.task_type}
    submitted = out.translate(N_("submitted"))
    yield Happening("submitted", ("submitted",), task.created_at, submitted, names)
    if task.held_reason is not None:
        text = f"{out.translate(N_('held'))}: {reason_in(out.translate, task.held_reason)}"
        fields = {"reason": task.held_reason}
        yield Happening("held", ("held", task.held_reason), None, text, fields)
    for execution in story.executions:
        yield from _of_execution(out, execution, story)
    if task.finished:
        yield _finished(out, task)


def _of_execution(out: Output, execution: Execution, story: TaskStory) -> Iterator[Happening]:
    number = execution.attempt
    attempt = out.translate(N_("attempt {number}")).format(number=number)
    started = f"{attempt}: {out.translate(N_('started'))}"
    fields = {"attempt": number, "worker": execution.worker}
    yield Happening("started", ("started", number), execution.execution_start, started, fields)
    calls = [_call(attempt, c) for c in story.llm_requests if c.attempt == number and c.ended_at]
    lines = [_line(attempt, e) for e in story.events if e.attempt == number]
    progress = [_progress(attempt, execution)] if execution.progress_at is not None else []
    yield from sorted([*calls, *lines, *progress], key=_moment)
    if execution.outcome is not None:
        yield _ended(out, attempt, execution)


def _call(attempt: str, call: LlmRequest) -> Happening:
    model = call.response_model or call.model or figures.UNKNOWN
    tokens = f"{figures.count(call.input_tokens)} + {figures.count(call.output_tokens)}"
    cost, took = figures.money(call.cost_usd), figures.duration(call.duration_seconds)
    text = f"{attempt}: LLM {model} {call.status}, {tokens} tokens, {cost}, {took}"
    return Happening("llm_request", ("call", call.id), call.ended_at, text, _fields(call))


def _line(attempt: str, event: TaskEvent) -> Happening:
    level = "" if event.level == "info" else f"{event.level.upper()} "
    text = f"{attempt}: {level}{event.message}"
    key = ("line", event.attempt, event.number)
    return Happening("log", key, event.at, text, _fields(event, "task_id", "at"))


def _progress(attempt: str, execution: Execution) -> Happening:
    said = (execution.progress, execution.progress_text)
    text = f"{attempt}: {figures.progress(*said)}"
    fields = {"attempt": execution.attempt, "fraction": said[0], "text": said[1]}
    key = ("progress", execution.attempt, *said)
    return Happening("progress", key, execution.progress_at, text, fields)


def _ended(out: Output, attempt: str, execution: Execution) -> Happening:
    took = f" ({figures.duration(execution.duration_seconds)})"
    error = _because(out, execution.error_message)
    text = f"{attempt}: {execution.outcome}{took if execution.duration_seconds else ''}{error}"
    key = ("ended", execution.attempt)
    return Happening("ended", key, execution.execution_end, text, _fields(execution, "task_id"))


def _finished(out: Output, task: Task) -> Happening:
    text = f"{task.status}{_because(out, task.error_message)}"
    fields = {name: getattr(task, name) for name in ("status", "result", "error_message")}
    return Happening(
        "finished", ("finished", task.attempt, task.status), task.finished_at, text, fields
    )


def _because(out: Output, reason: str | None) -> str:
    return f": {reason_in(out.translate, reason)}" if reason else ""


def _fields(value: Any, *without: str) -> dict[str, Any]:
    names = [f.name for f in dataclasses.fields(value) if f.name not in without]
    return {name: getattr(value, name) for name in names}


def _moment(one: Happening) -> float:
    return one.at.timestamp() if one.at is not None else 0.0


def _clock(moment: datetime | None) -> str:
    return (moment or datetime.now(UTC)).astimezone().strftime("%H:%M:%S")
