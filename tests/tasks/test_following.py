"""The story of a task, once and until it has ended."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest

from agentpg.db import Database, connect
from agentpg.errors import TaskNotFound
from agentpg.tasks.client import Client
from agentpg.tasks.following import follow, task_story


def test_a_story_has_all_parts(database: Database) -> None:
    with Client(database) as client:
        task_id = client.submit("A", "b")
        story = task_story(client, task_id)
    assert (story.task.id, story.executions, story.llm_requests) == (task_id, [], [])


def test_following_gives_each_change_and_ends_with_the_task(database: Database) -> None:
    with Client(database) as client:
        task_id = client.submit("A", "b")
        states = []
        for story in follow(client, task_id):
            states.append((story.task.status, story.task.held_reason))
            if len(states) == 1:
                client.hold(task_id, reason="later")
            elif len(states) == 2:
                threading.Timer(0.2, _complete, (database, task_id)).start()
    assert states == [("pending", None), ("pending", "later"), ("completed", None)]


def test_a_task_that_has_ended_is_one_story(database: Database) -> None:
    with Client(database) as client:
        task_id = client.submit("A", "b")
        client.cancel(task_id)
        assert [story.task.status for story in follow(client, task_id)] == ["cancelled"]


def test_a_task_that_is_not_there_is_said(database: Database) -> None:
    with Client(database) as client, pytest.raises(TaskNotFound):
        list(follow(client, uuid4()))


def _complete(database: Database, task_id: object) -> None:
    with connect(database) as connection:
        connection.execute(
            "UPDATE tasks SET status = 'completed', held_reason = NULL WHERE id = %s", (task_id,)
        )
