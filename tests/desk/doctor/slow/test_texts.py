"""Statements are shown without values, and what maintains is told from what is slow."""

from __future__ import annotations

import pytest

from agentpg.desk.doctor.slow.texts import is_maintenance, without_values

pytestmark = pytest.mark.without_server


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM users WHERE name = 'hunter2' AND x = 1",
        "SELECT 'x -- y'\n , 'hunter2'",
        "SELECT '/*', 'hunter2' -- */",
        "SELECT * FROM a WHERE b LIKE'x\\' AND c = 'hunter2'",
        "SELECT E'it\\'s', 'hunter2'",
        "SELECT x'1F', 'hunter2', 'it''s'",
        "SELECT $x$ it's $x$, 'hunter2', $1",
        "SELECT \"it's\", 'hunter2'",
        "SELECT 1 /* it's hunter2 */",
        "SELECT 1 -- hunter2",
        "SELECT 'abc'\n'hunter2'",
        "ALTER ROLE a PASSWORD 'hunter2",
        "DO $$ hunter2 $$",
        "SET a = 'b'; SELECT 'hunter2",
    ],
)
def test_no_value_is_left(statement: str) -> None:
    shown = without_values(statement)
    assert "hunter2" not in shown
    assert "\n" not in shown
    assert shown.startswith(statement[:2])


def test_what_a_statement_does_is_left() -> None:
    said = without_values(
        'SELECT t1.a, "col 2" FROM t1 WHERE b = $1 AND c IN (1, 2, 3) LIMIT 1_000 OFFSET 0x1F'
    )
    assert said == 'SELECT t1.a, "col 2" FROM t1 WHERE b = $1 AND c IN (?, …) LIMIT ? OFFSET ?'
    assert without_values(None) == ""
    assert len(without_values("SELECT " + "a, " * 9999, longest=80)) == 80


@pytest.mark.parametrize(
    ("statement", "maintains"),
    [
        ("/* nightly */ VACUUM tasks", True),
        ("create unique index concurrently a on b (c)", True),
        ("COPY public.tasks (id) TO stdout", True),
        ("COPY tasks FROM stdin", False),
        ("SELECT 'VACUUM'", False),
        (None, False),
    ],
)
def test_maintenance_is_told_by_its_first_words(statement: str | None, maintains: bool) -> None:
    assert is_maintenance(statement) is maintains
