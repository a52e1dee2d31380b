"""Any text stays what it is in Markdown."""

from __future__ import annotations

import pytest

from agentpg.desk import markdown as md

pytestmark = pytest.mark.without_server


def test_markup_in_a_text_is_escaped() -> None:
    assert md.text("a|b *c* <d> `e` [f] #1 ~g~") == r"a\|b \*c\* \<d\> \`e\` \[f\] \#1 \~g\~"
    assert md.text("two\nlines\t here") == "two lines here"
    assert md.text("\x1b[2Jgone") == r"\\x1b\[2Jgone"
    assert md.code("\x9b2J") == r"`\x9b2J`"


def test_underscores_are_escaped_only_where_they_are_markup() -> None:
    assert md.text("task_id _emphasis_") == r"task_id \_emphasis\_"


def test_code_holds_backticks_and_bars() -> None:
    assert md.code("a") == "`a`"
    assert md.code("a `b` | c") == r"`` a `b` \| c ``"


def test_a_block_is_fenced_longer_than_its_text() -> None:
    assert md.block("x\n", "sql") == "```sql\nx\n```"
    assert md.block("\x1b[2J\n", "sql") == "```sql\n\\x1b[2J\n```"
    assert md.block("````") == "`````\n````\n`````"


def test_a_table_aligns_numbers_right() -> None:
    assert md.table(["a", "b"], [["1", "2"]], right=[1]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |"
