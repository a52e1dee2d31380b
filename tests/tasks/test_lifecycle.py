"""What may be submitted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from agentpg.errors import IdempotencyConflict, InvalidTask, PayloadNotJson, PayloadTooLarge
from agentpg.tasks.lifecycle import alike, conflict_or_ids, repeated, submission, without_keys
from agentpg.tasks.model import NewTask

pytestmark = pytest.mark.without_server


def task(**values: Any) -> NewTask:
    return NewTask(**{"agent_name": "A", "task_type": "t", **values})


@pytest.mark.parametrize(
    "values",
    [
        {"agent_name": "보고서", "task_type": "주간 보고"},
        {"agent_name": "x" * 100, "task_type": "a b\tc"},
        {"priority": 0},
        {"priority": 1000},
        {"run_at": datetime(2030, 1, 1, tzinfo=UTC)},
        {"delay": timedelta(days=30)},
        {"max_attempts": 1, "on_crash": "fail", "tenant": "t" * 100},
        {"idempotency_key": "k" * 200},
    ],
)
def test_what_may_be_submitted(values: dict[str, Any]) -> None:
    submission([task(**values)], 1024)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"agent_name": ""}, "agent_name is empty"),
        ({"task_type": ""}, "task_type is empty"),
        ({"agent_name": None}, "agent_name is a text, not None"),
        ({"agent_name": 7}, "agent_name is a text, not 7"),
        ({"agent_name": "x" * 101}, "agent_name has 101 characters, over the limit of 100"),
        ({"task_type": "x" * 101}, "task_type has 101 characters, over the limit of 100"),
        ({"agent_name": "a\x1fb"}, "agent_name holds a character that it must not: 'a\\x1fb'"),
        ({"task_type": "a\x00b"}, "task_type holds a character that it must not: 'a\\x00b'"),
        ({"task_type": "\ud800"}, "task_type holds a character that it must not: '\\ud800'"),
        ({"idempotency_key": ""}, "idempotency_key is empty"),
        ({"idempotency_key": "k" * 201}, "idempotency_key has 201 characters"),
        ({"tenant": "t" * 101}, "tenant has 101 characters"),
        ({"priority": -1}, "priority is 0 to 1000, not -1"),
        ({"priority": 1001}, "priority is 0 to 1000, not 1001"),
        ({"priority": 1.5}, "priority is 0 to 1000, not 1.5"),
        ({"priority": "high"}, "priority is 0 to 1000, not 'high'"),
        ({"max_attempts": 0}, "max_attempts is 1 to 1000000, not 0"),
        ({"max_attempts": 2**40}, "max_attempts is 1 to 1000000, not"),
        ({"on_crash": "explode"}, 'on_crash is "retry" or "fail", not \'explode\''),
        ({"run_at": datetime(2030, 1, 1)}, "run_at needs a time zone"),  # noqa: DTZ001
        (
            {"run_at": datetime(2030, 1, 1, tzinfo=UTC), "delay": timedelta(1)},
            "give run_at or delay, not both",
        ),
    ],
    ids=str,
)
def test_what_may_not(values: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidTask) as refused:
        submission([task(**values)], 1024)
    assert str(refused.value).startswith(f"the task was not submitted: {told}")
    assert refused.value.exit_code == 2


def test_one_bad_payload_refuses_the_whole_submission() -> None:
    with pytest.raises(PayloadNotJson):
        submission([task(), task(payload={1, 2})], 1024)
    with pytest.raises(PayloadTooLarge):
        submission([task(), task(payload="x" * 1024)], 1024)


def test_each_task_has_an_id_that_sorts_by_time() -> None:
    mine = uuid7()
    ids = submission([task(), task(id=mine), task()], 1024)["ids"]
    assert ids[1] == mine
    assert ids[0] < ids[2]
    assert {made.version for made in ids} == {7}


def test_a_repeat_is_answered_with_the_first_id() -> None:
    parameters = submission([task(idempotency_key="a"), task(), task(idempotency_key="b")], 1024)
    first, plain, new = parameters["ids"]
    inserted = {plain, new}
    assert repeated(parameters, inserted)["keys"] == ["a"]
    earlier = uuid7()
    answer = conflict_or_ids(parameters["ids"], inserted, [(first, earlier, True)], parameters)
    assert answer == [earlier, plain, new]


def test_another_payload_under_the_same_key_is_a_conflict() -> None:
    parameters = submission([task(idempotency_key="a")], 1024)
    earlier = uuid7()
    with pytest.raises(IdempotencyConflict) as conflict:
        conflict_or_ids(
            parameters["ids"], set(), [(parameters["ids"][0], earlier, False)], parameters
        )
    assert str(conflict.value) == (
        f"the idempotency key a of A/t was used for another payload, by task {earlier}"
    )


def test_tasks_that_differ_in_their_payloads_only_are_alike() -> None:
    run_at = datetime(2030, 1, 1, tzinfo=UTC)
    parameters = submission([task(payload=n, run_at=run_at, tenant="x") for n in range(3)], 1024)
    same = alike(parameters)
    assert same is not None
    assert same["payloads"] == ["0", "1", "2"]
    assert same["ids"] == parameters["ids"]
    assert (same["run_at"], same["tenant"], same["agent_name"]) == (run_at, "x", "A")


@pytest.mark.parametrize(
    "other",
    [{"tenant": "y"}, {"priority": 1}, {"delay": timedelta(1)}, {"idempotency_key": "k"}],
    ids=str,
)
def test_others_are_not_alike(other: dict[str, Any]) -> None:
    assert alike(submission([task(), task(**other)], 1024)) is None


def test_a_key_needs_the_statement_that_looks_for_repeats() -> None:
    keyed = {"idempotency_key": "k"}
    assert without_keys(submission([task(**keyed)], 1024)) is None
    assert without_keys(submission([task(**keyed), task(**keyed)], 1024)) is None
    quick = without_keys(submission([task()], 1024))
    assert quick is not None
    assert quick[0] == "submit_plain"
