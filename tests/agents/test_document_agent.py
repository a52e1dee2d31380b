"""DocumentAgent in a real worker, on real documents, with a model endpoint over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agentpg.agents.document_agent import document_app
from agentpg.agents.documents import PART_CHARACTERS
from agentpg.agents.standin import StandIn
from agentpg.db import Database
from agentpg.tasks.handlers import App
from tests.tasks.engine import Engine
from tests.tasks.recording import calls, differences

pytestmark = pytest.mark.one_server

SENTENCES = "The backup runs each night at two. A drill restores the backup each week. "


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    with StandIn(latency=timedelta(), pace=timedelta()) as running:
        yield running


@pytest.fixture
def engine(database: Database, tmp_path: Path) -> Iterator[Engine]:
    made = Engine(database, tmp_path)
    yield made
    made.close()
    assert differences(database) == []


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    (folder / "guide").mkdir(parents=True)
    (folder / "backup.md").write_text(f"# Backups\n\n{SENTENCES}\n")
    (folder / "guide" / "notes.txt").write_text(
        "Vacuum runs at night and keeps the tables small.\n"
    )
    return folder


def _work(engine: Engine, documents: Path, endpoint: str, key: str = "any") -> None:
    engine.work(
        _once(document_app()),
        documents=str(documents),
        home=str(documents.parent / "home"),
        openai_base_url=endpoint,
        openai_api_key=key,
    )


def _once(app: App) -> App:
    """The same handlers, with one attempt each."""
    once = App()
    for handler in app:
        once.add(
            handler.function,
            agent_name=handler.agent_name,
            task_type=handler.task_type,
            timeout=handler.timeout,
            max_attempts=1,
        )
    return once


def _failed(engine: Engine, payload: Any, task_type: str = "summarise") -> str:
    task = engine.run("DocumentAgent", task_type, payload)
    assert task.status == "failed"
    assert task.error_message
    assert "Traceback" not in task.error_message
    return task.error_message


def test_a_document_is_summarised(engine: Engine, documents: Path, stand_in: StandIn) -> None:
    _work(engine, documents, stand_in.url)
    task = engine.run("DocumentAgent", "summarise", {"path": "backup.md"})
    assert task.error_message is None
    assert task.result == {
        "path": "backup.md",
        "title": "Backups",
        "summary": SENTENCES.strip(),
        "parts": 1,
        "model": "gpt-4o-mini",
        "characters": len(f"# Backups\n\n{SENTENCES}\n"),
    }
    [call] = calls(engine.database)
    assert (call.task_id, call.provider, call.status) == (task.id, "openai", "ok")
    assert call.input_tokens
    assert call.cost_usd
    [execution] = engine.client.executions(task.id)
    assert execution.llm_calls == 1
    assert execution.llm_total_tokens == call.input_tokens + (call.output_tokens or 0)
    assert execution.cost_usd == call.cost_usd


def test_a_long_document_is_read_in_parts(
    engine: Engine, documents: Path, stand_in: StandIn
) -> None:
    sections = (
        f"# Section {n}\n\n" + f"Table {n} grows by {n} rows a day and is backed up. " * 150
        for n in range(6)
    )
    text = "\n\n".join(sections)
    (documents / "long.md").write_text(text)
    _work(engine, documents, stand_in.url)
    task = engine.run("DocumentAgent", "summarise", {"path": "long.md"})
    assert task.error_message is None
    assert task.result["parts"] >= len(text) // PART_CHARACTERS
    assert task.result["parts"] > 2
    assert task.result["summary"]
    assert len(calls(engine.database)) == task.result["parts"] + 1


def test_a_folder_becomes_one_task_a_document(
    engine: Engine, documents: Path, stand_in: StandIn
) -> None:
    _work(engine, documents, stand_in.url)
    plan = engine.run("DocumentAgent", "summarise_folder", tenant="ours")
    assert plan.error_message is None
    assert plan.result["documents"] == 2
    tasks = [engine.ended(task) for task in plan.result["tasks"]]
    assert [task.status for task in tasks] == ["completed", "completed"]
    assert [task.result["path"] for task in tasks] == ["backup.md", "guide/notes.txt"]
    assert {(task.parent_id, task.tenant) for task in tasks} == {(plan.id, "ours")}
    engine.client.retry(plan.id)
    again = engine.ended(plan.id)
    assert (again.attempt, again.result) == (2, plan.result)


def test_a_part_of_the_folder_can_be_named(
    engine: Engine, documents: Path, stand_in: StandIn
) -> None:
    _work(engine, documents, stand_in.url)
    plan = engine.run("DocumentAgent", "summarise_folder", {"folder": "guide"})
    [task] = plan.result["tasks"]
    assert engine.ended(task).result["title"] == "notes"


def test_an_empty_document_needs_no_model(engine: Engine, documents: Path) -> None:
    (documents / "empty.md").write_text("\n \n")
    _work(engine, documents, "http://127.0.0.1:9/v1")
    task = engine.run("DocumentAgent", "summarise", {"path": "empty.md"})
    assert (task.result["summary"], task.result["parts"]) == ("", 0)
    assert calls(engine.database) == []


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"path": "missing.md"}, "missing.md: No such file"),
        ({"path": "latin.md"}, "latin.md: it is not text in UTF-8"),
        ({"path": "../home/secret.md"}, "outside the folders of documents"),
        ({"path": "a.md", "root": "/etc"}, "outside the folders of documents"),
        ({"path": "a.md", "root": "nothing"}, "there is no such folder"),
        ({"path": 3}, "path is the name of a file or folder, not 3"),
        ({"path": "backup"}, "no Markdown or text file"),
        ({"path": ""}, "path is the name of a file or folder"),
        ({"file": "a.md"}, "does not fit the handler"),
        (None, "does not fit the handler"),
    ],
)
def test_documents_that_cannot_be_used_fail_for_good(
    engine: Engine, documents: Path, payload: Any, reason: str
) -> None:
    (documents / "latin.md").write_bytes("café".encode("latin-1"))
    _work(engine, documents, "http://127.0.0.1:9/v1")
    assert reason in _failed(engine, payload)


@pytest.mark.parametrize(
    ("folder", "reason"),
    [("/", "outside"), ("nothing", "no such folder"), ("empty", "no Markdown or text file")],
)
def test_folders_that_cannot_be_used_fail_for_good(
    engine: Engine, documents: Path, folder: str, reason: str
) -> None:
    (documents / "empty").mkdir()
    _work(engine, documents, "http://127.0.0.1:9/v1")
    assert reason in _failed(engine, {"folder": folder}, "summarise_folder")


def test_no_endpoint(engine: Engine, documents: Path) -> None:
    _work(engine, documents, "", "")
    said = _failed(engine, {"path": "backup.md"})
    assert "no endpoint is configured" in said
    assert "OPENAI_BASE_URL" in said


def test_an_endpoint_that_is_not_there(engine: Engine, documents: Path) -> None:
    _work(engine, documents, "http://127.0.0.1:9/v1")
    said = _failed(engine, {"path": "backup.md"})
    assert "the model endpoint http://127.0.0.1:9/v1/ did not answer" in said
    assert "connection attempts failed" in said
    [call] = calls(engine.database)
    assert call.status == "error"


def test_a_wrong_key_is_refused_for_good(engine: Engine, documents: Path) -> None:
    secret = "sk-this-is-the-wrong-one"
    with StandIn(latency=timedelta(), key="right") as refusing:
        engine.work(
            document_app(),
            documents=str(documents),
            openai_base_url=refusing.url,
            openai_api_key=secret,
        )
        said = _failed(engine, {"path": "backup.md"})
    assert "refused the call: 401" in said
    assert "OPENAI_API_KEY" in said
    assert secret not in said
