"""What counts as the same output."""

from __future__ import annotations

import pytest

from tests.docs.shown import missing_line

pytestmark = pytest.mark.without_server


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("task  0198c1a2-7f00-7000-8000-000000000000", "task 0198c1a3-0000-7abc-9000-00000000000f"),
        ("done in 1.5 s", "done in 12 ms"),
        ("2026-01-01 10:00:00+09:00 ok", "2027-02-03 11:12:13+00:00   ok"),
        ("port 25432", "port 31999"),
        ("first\nthird", "first\nsecond\nthird\n"),
        ("hello … world", "hello big wide world"),
    ],
)
def test_what_varies_may_differ(shown: str, printed: str) -> None:
    assert missing_line(shown, printed) is None


@pytest.mark.parametrize(
    ("shown", "printed", "missing"),
    [
        ("attempt 2", "attempt 3", "attempt 2"),
        ("completed", "failed", "completed"),
        ("b\na", "a\nb\n", "a"),
        ("pending", "pending tasks", "pending"),
    ],
)
def test_what_matters_must_be_the_same(shown: str, printed: str, missing: str) -> None:
    assert missing_line(shown, printed) == missing
