"""Sealed tasks: what the database has of them, and who can read it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from agentpg.desk.resealing import Aim, count_sealed, reseal
from agentpg.errors import FieldSealed, IdempotencyConflict
from agentpg.sealing import (
    Keyring,
    Place,
    Sealer,
    SealingKey,
    create_key_file,
    new_key,
    sealer_of,
)
from agentpg.settings import load_settings
from agentpg.tasks.client import Client
from agentpg.tasks.encoding import Unreadable
from agentpg.tasks.handlers import App, Permanent
from agentpg.tasks.limits import Limit
from agentpg.tasks.model import NewTask
from agentpg.tasks.run import Run
from agentpg.tasks.sealed import Sealed
from tests.apps import busy
from tests.tasks.colours import Colour
from tests.tasks.engine import Engine

SECRET = "hunter2"

_EVERYTHING = """
    SELECT string_agg(row_to_json(t)::text, '') || (SELECT coalesce(string_agg(
        row_to_json(e)::text, ''), '') FROM agent_executions e) || (SELECT coalesce(string_agg(
        row_to_json(l)::text, ''), '') FROM task_events l) || (SELECT coalesce(string_agg(
        row_to_json(r)::text, ''), '') FROM llm_requests r) || (SELECT coalesce(string_agg(
        row_to_json(s)::text, ''), '') FROM schedules s)
    FROM tasks t
"""


@pytest.fixture
def key() -> SealingKey:
    return new_key(date(2026, 11, 29))


@pytest.fixture
def keys(tmp_path: Path, key: SealingKey) -> Path:
    path = tmp_path / "seal.keys"
    create_key_file(path, Keyring((key,)))
    return path


@pytest.fixture
def client(engine: Engine, keys: Path) -> Iterator[Client]:
    with Client(engine.database, settings=_settings(keys)) as made:
        yield made


def _settings(keys: Path | None, **more: Any) -> Any:
    return load_settings(pool_size=2, seal="*", seal_key_file=str(keys), **more)


def stored(engine: Engine) -> str:
    """All that the tables of the engine hold, as text."""
    return str(engine.ask(_EVERYTHING)[0][0]).replace("\\", "")


def make_app() -> App:
    app = App()

    @app.task("Billing", "invoice")
    async def invoice(run: Run, card: str, fail: bool = False) -> dict[str, str]:
        run.progress(0.5, f"at {card}")
        run.log.info("billing %s", card)
        with contextlib.suppress(ConnectionError):
            async with run.llm_call(provider="openai", model="m"):
                raise ConnectionError(f"no answer about {card}")
        if fail:
            raise Permanent(f"no such card: {card}")
        return {"charged": card}

    @app.task("Billing", "anything")
    def anything(run: Run, value: Any = None) -> Any:
        return value

    return app


def test_nothing_that_it_carries_is_in_the_database(
    engine: Engine, client: Client, keys: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine.work(make_app(), seal="*", seal_key_file=str(keys))
    with caplog.at_level(logging.DEBUG, "agentpg.worker"):
        good = client.submit("Billing", "invoice", {"card": SECRET})
        bad = client.submit("Billing", "invoice", {"card": SECRET, "fail": True})
        done = client.wait(good, check=False)
        failed = client.wait(bad, check=False)
    assert SECRET not in stored(engine)
    assert SECRET not in caplog.text.replace(f"billing {SECRET}", "")
    # Who has the key reads all of it.
    assert done.payload == {"card": SECRET}
    assert done.result == {"charged": SECRET}
    assert failed.error_message == f"no such card: {SECRET}"
    assert client.executions(bad)[0].error_message == f"no such card: {SECRET}"
    assert (
        client.llm_requests(good)[0].error_message == f"ConnectionError: no answer about {SECRET}"
    )
    assert client.events(good)[0].message == f"billing {SECRET}"
    progress = client.progress(good)
    assert progress is not None
    assert progress.text == f"at {SECRET}"
    assert {task.id: task.payload for task in client.find()}[good] == {"card": SECRET}


def test_who_has_no_key_is_told_so(engine: Engine, client: Client, keys: Path) -> None:
    engine.work(make_app(), seal="*", seal_key_file=str(keys))
    bad = client.submit("Billing", "invoice", {"card": SECRET, "fail": True})
    client.wait(bad, check=False)
    task = engine.client.get(bad)
    assert isinstance(task.payload, Sealed)
    assert task.payload.key == "2026-11-29"
    assert task.error_message == "(sealed)"
    assert engine.client.events(bad)[0].message == "(sealed)"
    assert engine.client.executions(bad)[0].progress_text == "(sealed)"
    # It is steered as any other.
    assert engine.client.retry(bad) == "pending"


def test_a_worker_without_the_key_fails_the_attempt_and_says_why(
    engine: Engine, client: Client
) -> None:
    engine.work(make_app())
    task = client.submit("Billing", "invoice", {"card": SECRET}, max_attempts=1)
    ended = client.wait(task, check=False)
    assert ended.status == "failed"
    assert "it is sealed with the key 2026-11-29, which is not here" in str(ended.error_message)


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_every_way_to_submit_seals(engine: Engine, keys: Path, colour: str) -> None:
    made = Colour(colour)
    client = made.client(engine.database, settings=_settings(keys))
    many = [NewTask("Billing", "anything", {"value": SECRET}) for _ in range(3)]
    ids = client.submit_many(many)
    ids += client.submit_many([many[0], many[0]._replace(tenant="kim", payload=None)])
    ids += client.submit_many([many[0]])
    first = client.submit("Billing", "anything", {"value": SECRET}, idempotency_key="k")
    assert client.submit("Billing", "anything", {"value": SECRET}, idempotency_key="k") == first
    with pytest.raises(IdempotencyConflict):
        client.submit("Billing", "anything", {"value": "other"}, idempotency_key="k")
    two = [many[0]._replace(idempotency_key=name) for name in ("k", "l")]
    assert client.submit_many(two)[0] == first
    assert SECRET not in stored(engine)
    assert all("$sealed" in row[0] for row in engine.ask("SELECT payload::text FROM tasks"))
    assert client.get(ids[0]).payload == {"value": SECRET}
    assert client.get(ids[4]).payload is None
    made.close()


def test_schedules_are_sealed_and_their_tasks_open(
    engine: Engine, client: Client, keys: Path
) -> None:
    kept = client.schedules.add(
        "nightly",
        cron="0 0 * * *",
        agent_name="Billing",
        task_type="anything",
        payload={"value": SECRET},
    )
    assert kept.payload == {"value": SECRET}
    assert isinstance(engine.client.schedules.get("nightly").payload, Sealed)
    engine.work(make_app(), seal="*", seal_key_file=str(keys))
    task = client.schedules.run("nightly")
    assert client.wait(task).result == SECRET
    assert SECRET not in stored(engine)


def test_what_was_moved_to_another_row_or_changed_does_not_open(
    engine: Engine, client: Client, keys: Path
) -> None:
    one = client.submit("Billing", "anything", {"value": SECRET})
    other = client.submit("Billing", "anything", {"value": "mine"})
    engine.ask("UPDATE tasks SET payload = (SELECT payload FROM tasks WHERE id = %s)", one)
    assert client.get(one).payload == {"value": SECRET}
    stolen = client.get(other).payload
    assert isinstance(stolen, Sealed)
    assert "was sealed for another task" in stolen.unreadable
    engine.work(make_app(), seal="*", seal_key_file=str(keys))
    ended = client.wait(other, check=False)
    # It would be the same at another attempt.
    assert (ended.status, ended.errors) == ("failed", 1)


def test_plain_sql_is_welcome_unless_it_is_told_not_to(
    engine: Engine, client: Client, keys: Path
) -> None:
    worker = engine.work(make_app(), seal="*", seal_key_file=str(keys))
    [[plain]] = engine.ask("SELECT submit('Billing', 'anything', '{\"value\": 1}')")
    assert client.wait(plain).result == 1
    worker.stop()
    engine.work(make_app(), seal="*", seal_key_file=str(keys), seal_only="true")
    refused = UUID(str(engine.ask("SELECT submit('Billing', 'anything', '{\"value\": 1}')")[0][0]))
    empty = UUID(str(engine.ask("SELECT submit('Billing', 'anything')")[0][0]))
    for task in (refused, empty):
        assert "it is not sealed" in str(client.wait(task, check=False).error_message)
    assert client.wait(client.submit("Billing", "anything")).status == "completed"


def test_no_limit_counts_by_a_sealed_field(engine: Engine, client: Client, keys: Path) -> None:
    by_field = Limit(agent_name="Billing", key="customer", concurrency=1)
    with pytest.raises(FieldSealed, match="no limit of Billing can count by customer"):
        client.limit(by_field)
    client.limit(Limit(agent_name="Billing", key="tenant", concurrency=1))
    engine.client.limit(by_field)  # where it is not known that payloads are sealed
    with pytest.raises(FieldSealed, match="by customer"):
        client.submit("Billing", "anything", {"customer": "kim"}, tenant="t")
    with pytest.raises(FieldSealed, match="by customer"):
        client.submit("Billing", "anything", {"customer": "kim"}, tenant="t", on_behalf_of="lee")
    app = make_app()
    app.limit("Billing", key="customer", concurrency=1)
    with pytest.raises(FieldSealed):
        engine.work(app, seal="*", seal_key_file=str(keys))


def test_all_is_sealed_anew_with_another_key_and_taken_off(
    engine: Engine, client: Client, key: SealingKey, tmp_path: Path
) -> None:
    engine.work(make_app(), seal="*", seal_keys=key.line())
    bad = client.submit("Billing", "invoice", {"card": SECRET, "fail": True})
    client.wait(bad, check=False)
    good = client.submit("Billing", "anything", {"value": SECRET})
    client.wait(good)
    waiting = [NewTask("Nobody", "at all", {"value": SECRET}) for _ in range(250)]
    client.submit_many(waiting)
    client.schedules.add(
        "s", cron="0 0 * * *", agent_name="Billing", task_type="anything", payload=SECRET
    )
    [[plain]] = engine.ask("SELECT submit('Billing', 'anything', '{\"value\": \"hunter2\"}')")
    client.wait(plain)
    new = new_key(date(2026, 12, 1))
    both = load_settings(pool_size=2, seal="*", seal_keys=f"{new.line()} {key.line()}")
    sealer = sealer_of(both)
    assert sealer is not None
    done = reseal(engine.database, sealer, Aim(plain_too=True))
    assert done.unopened == 0
    assert {one.key for one in count_sealed(engine.database)} <= {new.name, ""}
    assert SECRET not in stored(engine)
    assert reseal(engine.database, sealer, Aim()).values == 0
    alone = load_settings(pool_size=2, seal_keys=new.line())
    with Client(engine.database, settings=alone) as reader:
        assert reader.get(good).result == SECRET
        assert reader.get(bad).error_message == f"no such card: {SECRET}"
        assert reader.events(bad)[0].message == f"billing {SECRET}"
        assert reader.schedules.get("s").payload == SECRET
    lost = sealer_of(load_settings(seal="*", seal_keys=key.line()))
    assert lost is not None
    assert reseal(engine.database, lost, Aim()).unopened > 0
    reseal(engine.database, sealer, Aim(plain=True))
    assert {one.key for one in count_sealed(engine.database)} == {""}
    assert engine.client.get(good).payload == {"value": SECRET}


def test_what_ran_in_a_child_process_is_sealed_too(
    engine: Engine, client: Client, keys: Path
) -> None:
    engine.work(busy.app, seal="*", seal_key_file=str(keys))
    task = client.submit("Busy", "count", {"numbers": 10})
    assert client.wait(task).result["sum"] == 45
    assert isinstance(engine.client.get(task).result, Sealed)


def test_without_sealing_what_looks_sealed_is_no_crash(engine: Engine) -> None:
    for payload in ({"$sealed": "1t:k:AAAA"}, {"$sealed": "1"}, {"$sealed": 1}, {"$sealed": "x"}):
        task = engine.client.submit("Billing", "anything", payload)
        value = engine.client.get(task).payload
        assert isinstance(value, Unreadable) or value == payload


def test_what_is_submitted_for_somebody_is_sealed_too(engine: Engine, client: Client) -> None:
    tasks = [NewTask("Billing", "invoice", {"card": SECRET}, idempotency_key=key) for key in "ab"]
    first = client.submit_many(tasks, on_behalf_of="lee")
    assert client.submit_many(tasks, on_behalf_of="lee") == first
    assert SECRET not in stored(engine)
    assert [client.get(one).submitted_by for one in first] == ["lee", "lee"]
    assert client.get(first[1]).payload == {"card": SECRET}


def test_another_task_s_row_in_the_same_place_is_not_sealed_for_the_former(
    engine: Engine, client: Client, keys: Path
) -> None:
    """A row is read, removed, and another task with the same payload lies where it lay."""
    payload = {"colour": "green"}
    engine.client.submit("Billing", "invoice", payload)

    class Overtaken(Sealer):
        def json(self, place: Place, text: str) -> str:
            engine.ask("DELETE FROM tasks")
            engine.ask("VACUUM tasks")
            later.append(engine.client.submit("Billing", "invoice", payload))
            return super().json(place, text)

    later: list[UUID] = []
    sealer = sealer_of(_settings(keys))
    assert sealer is not None
    overtaken = Overtaken(sealer.rules, sealer.keys)
    done = reseal(engine.database, overtaken, Aim(plain_too=True))
    assert (done.values, done.unopened, done.missed) == (0, 0, 1)
    assert client.get(later[-1]).payload == payload
