"""SchemaAgent through the engine."""

from __future__ import annotations

from pathlib import Path

from agentpg.agents.schema_agent import schema_app
from tests.tasks.engine import Engine


def test_it_writes_the_pages_of_the_live_catalogue(engine: Engine, tmp_path: Path) -> None:
    engine.work(schema_app(), dsn_admin=engine.database.dsn, home=str(tmp_path))
    task = engine.run("SchemaAgent", "document_schema")
    assert task.status == "completed", task.error_message
    folder = tmp_path / "knowledge-base" / "schemas"
    assert task.result["folder"] == str(folder)
    assert task.result["pages"] == sorted(p.name for p in folder.iterdir())
    assert "not claimed before" in (folder / "tasks.md").read_text(encoding="utf-8")


def test_a_file_in_the_way_fails_the_task_at_once(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "README.md").write_text("mine\n", encoding="utf-8")
    engine.work(schema_app(), dsn_admin=engine.database.dsn, home=str(tmp_path))
    task = engine.run("SchemaAgent", "document_schema", {"folder": "pages"})
    assert (task.status, engine.outcomes(task.id)) == ("failed", ["failed"])
    assert "was not written by agentpg" in (task.error_message or "")
