"""What the catalogue says, for our schema and for what others have made in it."""

from __future__ import annotations

import pytest

from agentpg.db import Database, connect
from agentpg.desk.relations import Relation, read_catalogue
from agentpg.errors import SchemaMissing

_FOREIGN = """
    CREATE TABLE notes (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        task_id uuid REFERENCES tasks,
        words text NOT NULL DEFAULT 'a|b',
        size integer GENERATED ALWAYS AS (length(words)) STORED
    );
    COMMENT ON TABLE notes IS 'What people note.';
    COMMENT ON COLUMN notes.words IS 'Said in words.';
    COMMENT ON COLUMN tasks.run_at IS 'Said by the DBA.';
    CREATE MATERIALIZED VIEW note_sizes AS SELECT size FROM notes;
    CREATE VIEW note_tasks AS SELECT t.id FROM notes n JOIN tasks t ON t.id = n.task_id;
    CREATE TABLE parts (day date) PARTITION BY RANGE (day);
    ALTER TABLE notes DISABLE TRIGGER USER;
"""


@pytest.fixture
def relations(database: Database) -> dict[str, Relation]:
    with connect(database) as connection:
        connection.execute(_FOREIGN)
    return {r.name: r for r in read_catalogue(database).relations}


def test_every_kind_is_told(relations: dict[str, Relation]) -> None:
    kinds = {name: r.kind for name, r in relations.items()}
    assert kinds["tasks"] == kinds["notes"] == "table"
    assert kinds["agent_statistics"] == "view"
    assert kinds["note_sizes"] == "materialized view"
    assert kinds["parts"] == "partitioned table"
    assert relations["parts"].table_bytes is None
    assert relations["tasks"].table_bytes is not None


def test_columns_have_types_defaults_and_meanings(relations: dict[str, Relation]) -> None:
    notes = {c.name: c for c in relations["notes"].columns}
    assert list(notes) == ["id", "task_id", "words", "size"]
    assert (notes["id"].is_identity, notes["id"].nullable) == (True, False)
    assert (notes["words"].default, notes["words"].comment) == ("'a|b'::text", "Said in words.")
    assert notes["size"].is_generated
    assert relations["notes"].key_columns == ("id",)


def test_a_comment_in_the_catalogue_wins_over_our_text(relations: dict[str, Relation]) -> None:
    tasks = {c.name: c for c in relations["tasks"].columns}
    assert tasks["run_at"].comment == "Said by the DBA."
    assert tasks["payload"].comment == "what the handler is given"
    assert relations["workers"].comment is not None


def test_a_foreign_key_names_its_target(relations: dict[str, Relation]) -> None:
    key = next(c for c in relations["notes"].constraints if c.kind == "f")
    assert (key.columns, key.target, key.target_columns) == (["task_id"], "tasks", ["id"])


def test_indexes_triggers_and_views_belong_to_their_table(relations: dict[str, Relation]) -> None:
    tasks = relations["tasks"]
    assert tasks.indexes[0].is_primary
    assert {"tasks_ready_idx", "tasks_status_idx"} <= {i.name for i in tasks.indexes}
    assert {"wake_workers", "complete_plain_write"} <= {t.name for t in tasks.triggers}
    assert {"note_tasks", "task_counts"} <= {v.view for v in tasks.views}


def test_functions_are_listed(database: Database) -> None:
    found = {f.name: f for f in read_catalogue(database).functions}
    assert found["submit"].result == "uuid"
    assert "idempotency_key text DEFAULT NULL" in found["submit"].arguments


def test_a_schema_that_is_not_there_is_said(empty_database: Database) -> None:
    with pytest.raises(SchemaMissing):
        read_catalogue(empty_database)
