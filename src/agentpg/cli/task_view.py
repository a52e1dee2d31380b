"""How a task is shown: as a page, or as lines while it goes on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from agentpg.cli import figures
from agentpg.cli.output import Column, Output, plain, visible
from agentpg.language import N_
from agentpg.tasks.following import TaskStory
from agentpg.tasks.model import Execution, LlmRequest, Task

_MOST_LINES = 12
_MOST_LETTERS = 1200


def document(story: TaskStory) -> dict[str, object]:
    """A task with its executions and LLM calls, for JSON."""
    fields = {f.name: getattr(story.task, f.name) for f in dataclasses.fields(story.task)}
    return {**fields, "executions": story.executions, "llm_requests": story.llm_requests}


def state(task: Task) -> str | None:
    """The state of a task; `held` for one that is pending and held."""
    return "held" if task.status == "pending" and task.held_reason is not None else task.status


def pretty(value: Any) -> str:
    """A payload or a result as JSON for people; control characters stay visible."""
    return visible(json.dumps(plain(value), ensure_ascii=False, indent=2))


def show_list(out: Output, tasks: Iterable[Task]) -> None:
    """Tasks as a table."""
    columns = (
        Column(N_("Id")),
        Column(N_("Agent"), yields=2),
        Column(N_("Task type"), yields=1),
        Column(N_("State"), state=True),
        Column(N_("Age"), show=figures.age, right=True),
    )
    rows = [(t.id, t.agent_name, t.task_type, state(t), t.created_at) for t in tasks]
    out.table(columns, rows, empty=N_("There are no such tasks."))


def show_story(out: Output, story: TaskStory) -> None:
    """The whole page."""
    out.facts(_facts(out, story.task))
    _show_executions(out, story.executions)
    _show_calls(out, story.llm_requests)


def show_events(out: Output, stories: Iterable[TaskStory]) -> TaskStory:
    """A line for each thing that happens; returns the last story."""
    told: set[tuple[object, ...]] = set()
    last: TaskStory | None = None
    for last in stories:
        for key, moment, text in _events(out, last):
            if key not in told:
                told.add(key)
                out.line(f"{_clock(moment)}  {' '.join(text.split())}")
    assert last is not None  # noqa: S101 - following a task gives at least one story
    return last


def _facts(out: Output, task: Task) -> Iterator[tuple[str, object]]:
    yield N_("id"), task.id
    yield N_("agent"), task.agent_name
    yield N_("type"), task.task_type
    yield N_("state"), state(task)
    yield from _given((N_("held because"), task.held_reason))
    yield N_("submitted"), task.created_at
    yield from _given((N_("submitted by"), task.submitted_by))
    if task.status == "pending" and task.run_at > datetime.now(UTC):
        yield N_("not before"), task.run_at
    yield from _given(
        (N_("started"), task.started_at),
        (N_("finished"), task.finished_at),
        (N_("cancelling since"), None if task.finished else task.cancel_requested_at),
    )
    yield N_("attempts"), task.attempt
    yield N_("failed attempts"), _of(task.errors, task.max_attempts)
    yield from _given((N_("crashes"), task.crashes or None))
    yield N_("priority"), task.priority
    yield from _given(
        (N_("idempotency key"), task.idempotency_key),
        (N_("tenant"), task.tenant),
        (N_("parent"), task.parent_id),
        (N_("worker"), task.worker),
        (N_("payload"), _shortened(out, task.payload)),
        (N_("result"), _shortened(out, task.result)),
        (N_("error"), task.error_message),
    )


def _given(*pairs: tuple[str, object]) -> Iterator[tuple[str, object]]:
    """The pairs that have a value."""
    return (pair for pair in pairs if pair[1] is not None)


def _of(number: int, limit: int | None) -> str:
    return f"{number}" if limit is None else f"{number} / {limit}"


def _shortened(out: Output, value: Any) -> str | None:
    if value is None:
        return None
    text = pretty(value)
    kept = "\n".join(text.splitlines()[:_MOST_LINES])[:_MOST_LETTERS]
    if kept == text:
        return text
    left = out.translate(N_("… {number} characters more; --json shows all"))
    return f"{kept}\n{left.format(number=figures.count(len(text) - len(kept)))}"


def _show_executions(out: Output, executions: list[Execution]) -> None:
    if not executions:
        return
    out.line()
    out.heading(N_("Executions"))
    columns = (
        Column("#", right=True),
        Column(N_("Start")),
        Column(N_("Duration"), show=figures.duration, right=True),
        Column(N_("Outcome"), state=True),
        Column(N_("LLM calls"), right=True),
        Column(N_("Tokens"), right=True),
        Column(N_("Cost"), right=True),
    )
    out.table(columns, [_execution_row(e) for e in executions])
    errors = [(f"#{e.attempt}", e.error_message) for e in executions if e.error_message]
    if errors:
        out.line()
        out.facts(errors)


def _execution_row(execution: Execution) -> tuple[object, ...]:
    return (
        execution.attempt,
        execution.execution_start,
        execution.duration_seconds,
        execution.outcome or "running",
        execution.llm_calls,
        _tokens(execution),
        _cost(execution),
    )


def _tokens(execution: Execution) -> str:
    return _with_unknown(execution.llm_total_tokens, execution.llm_unknown_calls, figures.count)


def _cost(execution: Execution) -> str:
    if not execution.llm_calls:
        return figures.UNKNOWN
    return _with_unknown(execution.cost_usd, execution.llm_unpriced_calls, figures.money)


def _with_unknown(value: Any, unknown: int, show: Callable[[Any], str]) -> str:
    """What is known of a sum, and a sign that there is more that is not."""
    if not unknown:
        return show(value)
    return f"{show(value)} + ?" if value else figures.UNKNOWN


def _show_calls(out: Output, calls: list[LlmRequest]) -> None:
    if not calls:
        return
    out.line()
    out.heading(N_("Calls to language models"))
    columns = (
        Column("#", right=True),
        Column(N_("Model"), yields=1),
        Column(N_("State"), state=True),
        Column(N_("Input"), right=True),
        Column(N_("Cached"), right=True),
        Column(N_("Output"), right=True),
        Column(N_("Cost"), show=figures.money, right=True),
        Column(N_("Duration"), show=figures.duration, right=True),
    )
    out.table(columns, [_call_row(call) for call in calls])
    errors = [(f"#{call.attempt}", call.error_message) for call in calls if call.error_message]
    if errors:
        out.line()
        out.facts(errors)


def _call_row(call: LlmRequest) -> tuple[object, ...]:
    cost: Decimal | None = call.cost_usd
    return (
        call.attempt,
        call.response_model or call.model,
        call.status,
        call.input_tokens,
        call.cache_read_tokens,
        call.output_tokens,
        cost,
        call.duration_seconds,
    )


def _events(
    out: Output, story: TaskStory
) -> Iterator[tuple[tuple[object, ...], datetime | None, str]]:
    """What has happened to a task: a key that is told once, when, and in words."""
    task = story.task
    yield ("submitted",), task.created_at, out.translate(N_("submitted"))
    if task.held_reason is not None:
        yield ("held", task.held_reason), None, f"{out.translate(N_('held'))}: {task.held_reason}"
    for execution in story.executions:
        yield from _execution_events(out, execution, story.llm_requests)
    if task.finished:
        yield ("finished", task.attempt, task.status), task.finished_at, _end(task)


def _execution_events(
    out: Output, execution: Execution, calls: list[LlmRequest]
) -> Iterator[tuple[tuple[object, ...], datetime | None, str]]:
    attempt = out.translate(N_("attempt {number}")).format(number=execution.attempt)
    yield (
        ("started", execution.attempt),
        execution.execution_start,
        f"{attempt}: {out.translate(N_('started'))}",
    )
    for call in calls:
        if call.attempt == execution.attempt and call.ended_at is not None:
            yield ("call", call.id), call.ended_at, f"{attempt}: {_call_line(call)}"
    if execution.outcome is not None:
        took = f" ({figures.duration(execution.duration_seconds)})"
        error = f": {execution.error_message}" if execution.error_message else ""
        yield (
            ("ended", execution.attempt),
            execution.execution_end,
            f"{attempt}: {execution.outcome}{took if execution.duration_seconds else ''}{error}",
        )


def _call_line(call: LlmRequest) -> str:
    model = call.response_model or call.model or figures.UNKNOWN
    tokens = f"{figures.count(call.input_tokens)} + {figures.count(call.output_tokens)}"
    cost, took = figures.money(call.cost_usd), figures.duration(call.duration_seconds)
    return f"LLM {model} {call.status}, {tokens} tokens, {cost}, {took}"


def _end(task: Task) -> str:
    return f"{task.status}: {task.error_message}" if task.error_message else str(task.status)


def _clock(moment: datetime | None) -> str:
    return (moment or datetime.now(UTC)).astimezone().strftime("%H:%M:%S")
