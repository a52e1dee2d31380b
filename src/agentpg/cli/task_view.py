"""How a task is shown, as a page."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from agentpg.cli import figures
from agentpg.cli.output import Column, Output, plain, visible
from agentpg.cli.reasons import optional_reason, reason_in
from agentpg.language import N_
from agentpg.tasks.following import TaskStory
from agentpg.tasks.model import Execution, LlmRequest, Task, TaskEvent
from agentpg.tasks.sealed import Sealed

_MOST_LINES = 12
_MOST_LETTERS = 1200

# So many columns hold who asked for a task beside all else.
_ROOM_FOR_WHO = 100


def document(story: TaskStory) -> dict[str, object]:
    """A task with its executions, LLM calls and log lines, for JSON."""
    fields = {f.name: getattr(story.task, f.name) for f in dataclasses.fields(story.task)}
    return {
        **fields,
        "executions": story.executions,
        "llm_requests": story.llm_requests,
        "events": story.events,
    }


def state(task: Task) -> str | None:
    """The state of a task; `held` for one that is pending and held."""
    return "held" if task.status == "pending" and task.held_reason is not None else task.status


def pretty(value: Any) -> str:
    """A payload or a result as JSON for people; control characters stay visible."""
    return visible(json.dumps(plain(value), ensure_ascii=False, indent=2))


def show_list(out: Output, tasks: Sequence[Task]) -> None:
    """Tasks as a table."""
    columns = [
        Column(N_("Id")),
        Column(N_("Agent"), yields=2),
        Column(N_("Task type"), yields=1),
        Column(N_("State"), state=True),
        Column(N_("Age"), show=figures.age, right=True),
    ]
    rows = [[t.id, t.agent_name, t.task_type, state(t), t.created_at] for t in tasks]
    if out.width >= _ROOM_FOR_WHO:
        columns.insert(4, Column(N_("Submitted by"), yields=3))
        for row, task in zip(rows, tasks, strict=True):
            row.insert(4, task.submitted_by)
    out.table(columns, rows, empty=N_("There are no such tasks."))


def show_story(out: Output, story: TaskStory) -> None:
    """The whole page."""
    out.facts([*_facts(out, story.task), *_progress(story)])
    _show_executions(out, story.executions)
    _show_calls(out, story.llm_requests)
    _show_lines(out, story.events)


def _facts(out: Output, task: Task) -> Iterator[tuple[str, object]]:
    yield N_("id"), task.id
    yield N_("agent"), task.agent_name
    yield N_("type"), task.task_type
    yield N_("state"), state(task)
    yield from _given((N_("held because"), optional_reason(out.translate, task.held_reason)))
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
        (N_("error"), optional_reason(out.translate, task.error_message)),
    )


def _progress(story: TaskStory) -> Iterator[tuple[str, object]]:
    """How far the newest attempt of a task that runs says it is."""
    newest = story.executions[-1] if story.executions else None
    if newest is not None and newest.progress_at is not None and not story.task.finished:
        yield N_("progress"), figures.progress(newest.progress, newest.progress_text)


def _given(*pairs: tuple[str, object]) -> Iterator[tuple[str, object]]:
    """The pairs that have a value."""
    return (pair for pair in pairs if pair[1] is not None)


def _of(number: int, limit: int | None) -> str:
    return f"{number}" if limit is None else f"{number} / {limit}"


def _shortened(out: Output, value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, Sealed):
        why = reason_in(out.translate, value.unreadable)
        return f"{out.translate(N_('(sealed)'))} {why}"
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
    _show_errors(out, executions)


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
    _show_errors(out, calls)


def _show_errors(out: Output, ended: Iterable[Execution | LlmRequest]) -> None:
    """Why attempts or calls ended badly, by the attempt's number."""
    errors = [
        (f"#{one.attempt}", reason_in(out.translate, one.error_message))
        for one in ended
        if one.error_message
    ]
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


def _show_lines(out: Output, events: list[TaskEvent]) -> None:
    """The last log lines; `--json` has all."""
    if not events:
        return
    out.line()
    out.heading(N_("Log lines"))
    columns = (
        Column("#", right=True),
        Column(N_("Time"), show=figures.moment),
        Column(N_("Level"), state=True),
        Column(N_("Message"), yields=1, fold=True),
    )
    out.table(columns, [(e.attempt, e.at, e.level, e.message) for e in events[-_MOST_LINES:]])
