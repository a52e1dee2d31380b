"""All about one task, once or until it has ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from agentpg.tasks.client import Client
from agentpg.tasks.model import Execution, LlmRequest, Task

_FIRST_LOOK = 0.05
_LONGEST_LOOK = 1.0


@dataclass(frozen=True, slots=True)
class TaskStory:
    """A task with its executions and its calls to language models, in order."""

    task: Task
    executions: list[Execution]
    llm_requests: list[LlmRequest]


def task_story(client: Client, task_id: UUID) -> TaskStory:
    """All about one task. Raises TaskNotFound."""
    # The task first: once it has ended, what is read after it is complete.
    task = client.get(task_id)
    return TaskStory(task, client.executions(task_id), client.llm_requests(task_id))


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
        story = task_story(client, task_id)
        if story != last:
            yield story
            last, look = story, _FIRST_LOOK
