"""The names that restores give and keep: each database tells whose it is, and no other's."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agentpg.desk.backup.restore.naming import Stage, is_staged, role_statements, staged, why_not

pytestmark = pytest.mark.without_server

_NOW = datetime(2026, 11, 28, 14, 3, 55, tzinfo=UTC)


def test_names_are_as_they_are_told() -> None:
    assert staged("agentic_ai", "before", _NOW) == "agentic_ai_before_20261128_140355"


@pytest.mark.parametrize("stage", ["restoring", "before", "undone"])
@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("app", "app_test"),
        ("agentic", "agentic_ai"),
        ("x" * 62 + "1", "x" * 62 + "2"),
        ("x" * 63, "x" * 36),
        ("작" * 20, "작" * 21),
        ("a\nb", "a"),
    ],
)
def test_what_is_kept_for_one_database_is_not_taken_for_another_s(
    name: str, other: str, stage: Stage
) -> None:
    kept = staged(name, stage, _NOW)
    assert len(kept.encode()) <= 63
    assert is_staged(kept, stage)
    assert is_staged(kept, stage, of=name)
    assert not is_staged(kept, stage, of=other)
    assert not is_staged(staged(other, stage, _NOW), stage, of=name)


@pytest.mark.parametrize("name", ["x" * 64, "작" * 22, "a\nb", "\udcff", "template1"])
def test_names_that_no_database_can_get_are_refused(name: str) -> None:
    assert why_not(name)


def test_other_names_are_fine() -> None:
    assert [why_not(name) for name in ('a "b"', "작업", "x" * 63, "postgres")] == [""] * 4


def test_a_membership_is_granted_by_who_restores_it() -> None:
    script = (
        "CREATE ROLE admin;\n"
        'GRANT pg_monitor TO "the ""owner""" WITH INHERIT TRUE GRANTED BY postgres;\n'
        'GRANT writers TO admin WITH ADMIN OPTION, INHERIT TRUE GRANTED BY "the boss";\n'
    )
    assert role_statements(script, None) == (
        "CREATE ROLE admin;\n"
        'GRANT pg_monitor TO "the ""owner""" WITH INHERIT TRUE;\n'
        "GRANT writers TO admin WITH ADMIN OPTION, INHERIT TRUE;\n"
    )
