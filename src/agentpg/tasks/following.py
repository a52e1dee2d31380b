"""All about one task, once or until it has ended."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from agentpg.tasks.client import Client
from agentpg.tasks.model import Execution, LlmRequest, Task, TaskEvent

_FIRST_LOOK = 0.05
_LONGEST_LOOK = 1.0


@dataclass(frozen=True, slots=True)
class TaskStory:
    """A task with its executions, its calls to language models and its log lines, in order."""

    task: Task
    executions: list[Execution]
    llm_requests: list[LlmRequest]
    events: list[TaskEvent]


def task_story(client: Client, task_id: UUID, known: Sequence[TaskEvent] = ()) -> TaskStory:
    """All about one task; log lines that are `known` are not read again. Raises TaskNotFound."""
    # The task first: once it has ended, what is read after it is complete.
    task = client.get(task_id)
    executions, calls = client.executions(task_id), client.llm_requests(task_id)
    return TaskStory(task, executions, calls, _events(client, task_id, known))


def follow(client: Client, task_id: UUID) -> Iterator[TaskStory]:
    """The story of a task now and at each change, the last one when the task has ended.

    Raises TaskNotFound.
    """
    last: TaskStory | None = None
    look = _FIRST_LOOK
    while last is None or not last.task.finished:
        if last is not None:
            time.sleep(look)
            look = min(look * 1.5, _LONGEST_LOOK)
        story = task_story(client, task_id, last.events if last is not None else ())
        if story != last:
            yield story
            last, look = story, _FIRST_LOOK


def _events(client: Client, task_id: UUID, known: Sequence[TaskEvent]) -> list[TaskEvent]:
    events = list(known)
    while more := client.events(task_id, after=events[-1] if events else None):
        events += more
    return events
