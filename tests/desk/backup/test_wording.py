"""Conditions as they are printed before and after a restore come to one form; others do not."""

from __future__ import annotations

import pytest

from agentpg.desk.backup.proof.wording import in_one_form


@pytest.mark.parametrize(
    ("written", "restored"),
    [
        (
            "((kind)::text = ANY ((ARRAY['a, b'::character varying,"
            " 'c''d'::character varying(9)])::text[]))",
            "((kind)::text = ANY (ARRAY[('a, b'::character varying)::text,"
            " ('c''d'::character varying(9))::text]))",
        ),
        ("CHECK ((((a > 0) AND (a < 5)) AND b))", "CHECK (((a > 0) AND (a < 5) AND b))"),
        ("(b AND ((a > 0) AND (a < 5)))", "(b AND (a > 0) AND (a < 5))"),
        ("((x OR (a OR b)) OR c)", "(x OR a OR b OR c)"),
    ],
)
def test_two_forms_come_to_one(written: str, restored: str) -> None:
    assert in_one_form(written) == in_one_form(restored) == restored


@pytest.mark.parametrize(
    "text",
    [
        "((a OR b) AND c)",
        "(a OR (b AND c))",
        "(NOT (a AND b) AND c)",
        "(f((a AND b)) AND c)",
        "(x = ' AND (a AND b) AND ' AND c)",
        '("AND (" AND c)',
        "sum(n) OVER (ORDER BY n ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING)",
        "(ARRAY['a'::text, x])::text[] AND y",
        "a unbalanced ) text AND (",
    ],
)
def test_what_means_something_else_stays(text: str) -> None:
    assert in_one_form(text) == text


def test_what_is_deep_stays() -> None:
    deep = "(" * 5000 + "a AND b" + ")" * 5000
    assert in_one_form(deep) == deep
