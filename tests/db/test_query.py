"""Texts that stand for values in statements."""

from __future__ import annotations

import pytest

from agentpg.db import Database, array_literal, connect


@pytest.mark.parametrize(
    "values", [[], ["one"], ['say "hi"', "a,b", "c\\d", "{}", "", "NULL", "Agent\x1ftype", "é"]]
)
def test_the_text_of_an_array_is_read_back_as_it_was(database: Database, values: list[str]) -> None:
    with connect(database) as connection:
        row = connection.execute(
            "SELECT %(values)s::text[]", {"values": array_literal(values)}
        ).fetchone()
    assert row == (values,)
