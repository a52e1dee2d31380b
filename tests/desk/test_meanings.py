"""The schema's text explains its tables and columns."""

from __future__ import annotations

import pytest

from agentpg.desk.meanings import our_meanings, parse_meanings

pytestmark = pytest.mark.without_server

_SCHEMA = """
-- An essay that explains nothing below.

-- What is asked.
-- One row a task.
CREATE TABLE tasks (
    id      uuid PRIMARY KEY DEFAULT uuid7(),
    status  varchar(50) DEFAULT 'pending', -- or 'done': it has ended

    -- Only these.
    CONSTRAINT known CHECK (status IN (
        'pending',  -- not yet begun
        'done'      -- over
    ))
) WITH (fillfactor = 70);

-- For the claim.
CREATE UNIQUE INDEX tasks_idx ON tasks (status);

CREATE VIEW counts AS
SELECT
    count(*) -- of nothing
FROM tasks;
"""


def test_comments_beside_columns_and_above_objects_are_read() -> None:
    meanings = parse_meanings(_SCHEMA)
    assert meanings.columns == {("tasks", "status"): "or 'done': it has ended"}
    assert meanings.objects == {
        "tasks": "What is asked. One row a task.",
        "known": "Only these. 'pending': not yet begun. 'done': over.",
        "tasks_idx": "For the claim.",
    }


def test_our_own_schema_is_explained() -> None:
    meanings = our_meanings()
    assert meanings.columns["tasks", "run_at"] == "not claimed before"
    assert meanings.objects["agent_executions"].startswith("One try of a task.")
    assert (
        "'lost': its worker or its process died."
        in (meanings.objects["executions_outcome_is_known"])
    )
