"""`agentpg task` submits, lists, shows, waits and steers."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from agentpg.cli.wrapping import cell_width
from agentpg.db import Database, connect
from agentpg.tasks.client import Client
from tests.cli.apps import write_greeter
from tests.cli.conftest import Call, Running
from tests.servers import write_times_in

pytestmark = pytest.mark.one_server

NOWHERE = "0198c1a2-7d3e-7c41-9f0a-3b1d5e6f7a8b"


@pytest.fixture
def client(installed: Database) -> Iterator[Client]:
    with Client(installed) as opened:
        yield opened


@pytest.fixture
def worker(installed: Database, launch: Callable[..., Running]) -> Running:
    """A worker with the greeter."""
    return launch("worker", "--app", write_greeter())


def test_submit_prints_the_id_and_nothing_else(call: Call, client: Client) -> None:
    called = call("task", "submit", "Greeter", "greet", '{"name": "Kim"}')
    assert (called.code, called.err) == (0, "")
    task = client.get(UUID(called.out.strip()))
    assert (task.agent_name, task.task_type, task.payload) == ("Greeter", "greet", {"name": "Kim"})
    asked = json.loads(call("task", "submit", "Greeter", "greet", "--json").out)
    assert client.get(UUID(asked["id"])).payload is None


def test_submit_takes_every_option(call: Call, client: Client) -> None:
    called = call(
        *(
            "task",
            "submit",
            "A",
            "b",
            "[1]",
            "--priority",
            "7",
            "--run-at",
            "2030-01-02T03:04+09:00",
        ),
        *("--key", "k", "--max-attempts", "5", "--on-crash", "fail", "--tenant", "t"),
    )
    task = client.get(UUID(called.out.strip()))
    assert (task.priority, task.idempotency_key, task.max_attempts) == (7, "k", 5)
    assert (task.tenant, task.payload) == ("t", [1])
    assert task.run_at.isoformat().startswith("2030-01-01T18:04:00")
    again = call("task", "submit", "A", "b", "[1]", "--key", "k")
    assert again.out == called.out
    other = call("task", "submit", "A", "b", "[2]", "--key", "k")
    assert other.code == 2
    assert "the idempotency key k of A/b was used for another payload" in other.err


def test_submit_can_delay(call: Call, client: Client) -> None:
    task = client.get(UUID(call("task", "submit", "A", "b", "--delay", "5min").out.strip()))
    assert task.created_at is not None
    assert task.run_at - task.created_at == timedelta(minutes=5)


def test_a_payload_may_be_in_a_file_or_come_by_pipe(
    call: Call, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("payload.json").write_text('{"여": "보세요"}', encoding="utf-8")
    task = client.get(UUID(call("task", "submit", "A", "b", "@payload.json").out.strip()))
    assert task.payload == {"여": "보세요"}
    monkeypatch.setattr(sys, "stdin", io.StringIO("[1, 2]\n"))
    assert client.get(UUID(call("task", "submit", "A", "b", "-").out.strip())).payload == [1, 2]


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_file_or_pipe_is_no_payload(
    call: Call, installed: Database, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    Path("empty.json").write_text(text)
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    for payload, name in (("-", "-"), ("@empty.json", "empty.json")):
        called = call("task", "submit", "A", "b", payload)
        assert (called.code, called.out) == (2, "")
        assert called.err == (
            f"agentpg: cannot read {name}: it is empty\n"
            "hint: For a task without a payload leave it out, or give null.\n"
        )


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        ("[" * 5000 + "]" * 5000, "it is nested too deeply"),
        ("[" * 400 + "]" * 400, "…"),
        ("[" + "1" * 6000 + "]", "a number has too many digits"),
    ],
    ids=["too deep to read", "too deep to show", "too many digits"],
)
def test_a_payload_that_python_cannot_read_is_said(
    call: Call, client: Client, installed: Database, payload: str, shown: str
) -> None:
    with connect(installed) as connection:
        row = connection.execute(
            "INSERT INTO tasks (agent_name, task_type, status, payload)"
            " VALUES ('A', 'b', 'pending', %s) RETURNING id",
            (payload,),
        ).fetchone()
    assert row is not None
    assert "pending" in call("task", "list").out
    assert shown in call("task", "list", "--json").out
    page = call("task", "show", str(row[0]))
    assert (page.code, page.err) == (0, "")
    assert "payload" in page.out
    assert shown in call("task", "show", str(row[0]), "--json").out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["{name: 1}"], "the payload is not JSON, at line 1 column 2: Expecting property name"),
        (['{"a": 1}\n}'], "the payload is not JSON, at line 2 column 1: Extra data"),
        (["[" * 100_000], "the payload is not JSON: it is nested too deeply"),
        (["1" * 6000], "the payload is not JSON: a number has too many digits"),
        (["NaN"], "the payload is not JSON: Out of range float values"),
        (["@missing.json"], "cannot read missing.json: No such file or directory"),
        (["@."], "cannot read .: Is a directory"),
        (["@latin.json"], "cannot read latin.json: it is not text in UTF-8"),
        (["--priority", "-1"], "--priority: -1 is not from 0 to 1000"),
        (["--delay", "soon"], "--delay cannot be 'soon': it must be a number with a unit"),
        (["--delay", "99999999d"], "'99999999d': it must be a hundred years or less"),
        (
            ["--run-at", "soon"],
            "--run-at cannot be 'soon': it must be a moment such as 2026-03-01T09:00",
        ),
        (["--on-crash", "cry"], "--on-crash: cry is not one of 'retry', 'fail'"),
        (["--timeout", "1s"], "--timeout needs --wait"),
        (["--delay", "1s", "--run-at", "2030-01-01"], "give run_at or delay, not both"),
    ],
)
def test_a_task_that_cannot_be_submitted_is_wrong_usage(
    call: Call, installed: Database, arguments: list[str], sentence: str
) -> None:
    Path("latin.json").write_bytes(b'"\xe9"')
    called = call("task", "submit", "A", "b", *arguments)
    assert called.code == 2
    assert called.err.startswith(f"agentpg: {sentence}") or sentence in called.err
    assert called.out == ""


def test_names_that_are_empty_or_too_long_are_wrong_usage(call: Call, installed: Database) -> None:
    for agent in ("", "a" * 101):
        called = call("task", "submit", agent, "b")
        assert (called.code, called.out) == (2, "")


def test_a_payload_over_the_limit_is_refused_with_its_size(
    call: Call, installed: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTPG_PAYLOAD_LIMIT", "10B")
    called = call("task", "submit", "A", "b", '"0123456789"')
    assert called.code == 2
    assert "the payload has 12 bytes, over the limit of 10" in called.err


def test_wrong_json_is_explained_in_korean(call: Call, installed: Database) -> None:
    called = call("--lang", "ko", "task", "submit", "A", "b", "{")
    assert "1행 2열: 큰따옴표로 묶은 속성 이름이 있어야 합니다" in called.err


def test_list_shows_the_newest_first_and_filters(call: Call, client: Client) -> None:
    first = client.submit("A", "x")
    second = client.submit("B", "y")
    client.hold(second, reason="later")
    listed = call("task", "list").out.splitlines()
    assert [line.split()[0] for line in listed] == ["Id", str(second), str(first)]
    assert listed[1].split()[3] == "held"
    for arguments, found in (
        (["--agent", "A"], [first]),
        (["--type", "y"], [second]),
        (["--status", "pending"], [second, first]),
        (["--status", "failed"], []),
        (["--held"], [second]),
        (["--limit", "1"], [second]),
    ):
        rows = json.loads(call("task", "list", "--json", *arguments).out)
        assert [row["id"] for row in rows] == [str(one) for one in found]
    assert "There are no such tasks." in call("task", "list", "--status", "failed").out
    assert "--limit shows more than the newest 1" in call("task", "list", "--limit", "1").err


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_list_and_the_page_fit_80_columns(call: Call, client: Client, lang: str) -> None:
    task_id = client.submit("SomeAgentWithALongName", "some_task_type_that_is_long", ["x" * 300])
    for arguments in (["list"], ["show", str(task_id)]):
        called = call("--lang", lang, "task", *arguments)
        assert called.code == 0
        assert str(task_id) in called.out
        assert max(cell_width(line) for line in called.out.splitlines()) <= 80


def test_show_tells_all_about_a_task(call: Call, client: Client, worker: Running) -> None:
    done = call(
        "task", "submit", "Greeter", "greet", '{"name": "Kim"}', "--wait", "--timeout", "30s"
    )
    task_id, state, *result = done.out.splitlines()
    assert (done.code, state) == (0, "completed")
    assert json.loads("\n".join(result)) == {"greeting": "Hello, Kim"}

    page = call("task", "show", task_id)
    for part in ("completed", "Greeter", "Hello, Kim", "gpt-4o-mini", "1,200", "1,234", "$0.0002"):
        assert part in page.out

    document = json.loads(call("task", "show", task_id, "--json").out)
    assert document["result"] == {"greeting": "Hello, Kim"}
    (execution,), (request,) = document["executions"], document["llm_requests"]
    assert (execution["outcome"], execution["llm_total_tokens"]) == ("completed", 1234)
    assert (request["model"], request["input_tokens"], request["output_tokens"]) == (
        "gpt-4o-mini",
        1200,
        34,
    )
    assert request["cost_usd"] == execution["cost_usd"]


def test_follow_says_what_happens_until_the_end(
    call: Call, client: Client, worker: Running
) -> None:
    task_id = client.submit("Greeter", "greet", {"name": "nobody"}, max_attempts=2)
    called = call("task", "show", str(task_id), "--follow")
    assert called.code == 0
    lines = [line.split(maxsplit=1)[1] for line in called.out.split("\n\n")[0].splitlines()]
    assert lines[:2] == ["submitted", "attempt 1: started"]
    assert lines[2].startswith("attempt 1: failed")
    assert "ValueError: there is nobody to greet" in lines[2]
    assert lines[3] == "attempt 2: started"
    assert lines[5:] == ["failed: ValueError: there is nobody to greet"]
    followed = call("task", "show", str(task_id), "-f", "--json").out.splitlines()
    events = [json.loads(line) for line in followed]
    assert [one["event"] for one in events] == [
        "submitted",
        *("started", "ended") * 2,
        "finished",
    ]
    assert [one["outcome"] for one in events if one["event"] == "ended"] == ["failed"] * 2
    assert (events[-1]["status"], events[-1]["result"]) == ("failed", None)


def test_wait_exits_with_1_where_the_task_failed(
    call: Call, client: Client, worker: Running
) -> None:
    task_id = client.submit("Greeter", "greet", {"name": "nobody"}, max_attempts=1)
    called = call("task", "wait", str(task_id), "--timeout", "30s")
    assert (called.code, called.out) == (1, "failed\n")
    assert called.err == (
        f"agentpg: task {task_id} ended as failed: ValueError: there is nobody to greet\n"
    )
    called = call("task", "wait", str(task_id), "--json")
    assert (called.code, json.loads(called.out)["status"]) == (1, "failed")


def test_wait_gives_up_in_time(call: Call, client: Client) -> None:
    task_id = client.submit("A", "b")
    called = call("task", "wait", str(task_id), "--timeout", "100ms")
    assert called.code == 1
    assert f"task {task_id} was still pending after 0.1 s" in called.err


def test_a_long_payload_is_shortened_and_whole_in_json(call: Call, client: Client) -> None:
    payload = {"items": list(range(500)), "escape": "\x1b[31m\x9b"}
    task_id = str(client.submit("A", "b", payload))
    page = call("task", "show", task_id).out
    assert "characters more; --json shows all" in page
    assert len(page.splitlines()) < 40
    assert json.loads(call("task", "show", task_id, "--json").out)["payload"] == payload


def test_stored_text_cannot_steer_the_terminal(call: Call, installed: Database) -> None:
    with connect(installed) as connection:
        row = connection.execute(
            "INSERT INTO tasks (agent_name, task_type, status, payload, error_message, attempt)"
            " VALUES ('A', 'b', 'failed', %s, %s, 0) RETURNING id",
            ('{"a": "\x9b31m"}', "\x1b[31mred"),
        ).fetchone()
    assert row is not None
    for arguments in (
        ["show", str(row[0])],
        ["show", str(row[0]), "--follow"],
        ["show", str(row[0]), "--json"],
        ["wait", str(row[0])],
        ["list"],
    ):
        called = call("task", *arguments)
        out = called.out + called.err
        assert "\x1b" not in out
        assert "\x9b" not in out


def test_steering_prints_the_new_state(call: Call, client: Client) -> None:
    task_id = str(client.submit("A", "b"))
    for verb, state in (
        (["hold", "--reason", "later"], "held"),
        (["release"], "pending"),
        (["cancel", "--reason", "wrong"], "cancelled"),
        (["retry"], "pending"),
    ):
        called = call("task", verb[0], task_id, *verb[1:])
        assert (called.code, called.out) == (0, f"{task_id}  {state}\n")
    assert client.get(UUID(task_id)).held_reason is None


def test_steering_goes_on_past_a_task_that_does_not_allow_it(call: Call, client: Client) -> None:
    first, second = str(client.submit("A", "b")), str(client.submit("A", "b"))
    called = call("task", "cancel", NOWHERE, first, first, second)
    assert called.code == 1
    assert called.out == f"{first}  cancelled\n{second}  cancelled\n"
    assert called.err == (
        f"agentpg: no task has the id {NOWHERE}\n"
        f"agentpg: task {first} is cancelled, so it cannot be cancelled\n"
    )
    done = json.loads(call("task", "retry", first, NOWHERE, "--json").out)
    assert [(one["id"], one["status"]) for one in done] == [(first, "pending"), (NOWHERE, None)]
    assert done[1]["error"] == f"no task has the id {NOWHERE}"


@pytest.mark.parametrize("verb", ["show", "wait", "cancel", "retry", "hold", "release"])
def test_an_id_that_is_none_is_wrong_usage_and_an_unknown_one_fails(
    call: Call, installed: Database, verb: str
) -> None:
    wrong = call("task", verb, "0198")
    assert wrong.code == 2
    assert "0198 is not a valid UUID" in wrong.err
    unknown = call("task", verb, NOWHERE)
    assert unknown.code == 1
    assert unknown.err == (
        f"agentpg: no task has the id {NOWHERE}\nhint: `agentpg task list` shows the newest ones.\n"
    )


def test_without_the_schema_the_cause_is_said(
    call: Call, empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTPG_DSN", empty_database.dsn)
    for arguments in (["list"], ["submit", "A", "b"], ["show", NOWHERE], ["retry", "--failed"]):
        called = call("task", *arguments)
        assert called.code == 4
        assert "`agentpg schema migrate`" in called.err


def test_what_python_cannot_read_hides_no_task(call: Call, installed: Database) -> None:
    """A number of 6,000 digits, which PostgreSQL takes and Python's own reader refuses."""
    digits = "9" * 6000
    with connect(installed) as connection:
        [[task]] = connection.execute(
            "INSERT INTO tasks (agent_name, task_type, status, payload, result)"
            " VALUES ('A', 'huge', 'completed', %s::jsonb, %s::jsonb) RETURNING id",
            (f'{{"n": {digits}}}', digits),
        ).fetchall()
        connection.execute("INSERT INTO tasks (agent_name, task_type) VALUES ('A', 'other')")
    unreadable = {"unreadable": "a number has too many digits"}
    listed = call("task", "list")
    assert (listed.code, "huge" in listed.out, "other" in listed.out) == (0, True, True)
    documents = json.loads(call("task", "list", "--json").out)
    assert [one["payload"] for one in documents] == [None, unreadable]
    shown = call("task", "show", str(task))
    assert (shown.code, shown.out.count("a number has too many digits")) == (0, 2)
    assert json.loads(call("task", "show", str(task), "--json").out)["result"] == unreadable
    assert call("task", "wait", str(task)).code == 0


@pytest.mark.parametrize("style", ["German", "SQL, DMY"])
def test_a_database_may_write_times_in_any_style(
    call: Call, installed: Database, style: str
) -> None:
    write_times_in(installed, style)
    made = call("task", "submit", "A", "b", "--run-at", "2030-04-03T02:01+09:00").out.strip()
    shown = json.loads(call("task", "show", made, "--json").out)
    assert shown["run_at"] == "2030-04-03T01:01:00+08:00"
    for command in (("task", "list"), ("status",)):
        called = call(*command)
        assert (called.code, called.err) == (0, "")
