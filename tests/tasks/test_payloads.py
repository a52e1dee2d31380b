"""A payload as text: what is JSON, and where it stops being so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agentpg.errors import PayloadNotJson, PayloadNotParsed
from agentpg.tasks.payloads import PARSER_SAYS, parse_payload

pytestmark = pytest.mark.without_server


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        (" \n", None),
        ("null", None),
        ('{"a": [1, 2.5, true]}', {"a": [1, 2.5, True]}),
        ('"여보세요"', "여보세요"),
        ("123456789012345678901234567890", 123456789012345678901234567890),
    ],
)
def test_json_is_read(text: str, value: Any) -> None:
    assert parse_payload(text) == value


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("{", 1, 2),
        ("{name: 1}", 1, 2),
        ('{"a" 1}', 1, 6),
        ("[1 2]", 1, 4),
        ('["a\nb"]', 1, 4),
        ('["\\x"]', 1, 3),
        ('["\\u12"]', 1, 4),
        ('["a]', 1, 2),
        ("{}\n{}", 2, 1),
        ("hello", 1, 1),
        ('{"a": 1,}', 1, 9),
    ],
)
def test_what_is_not_json_is_said_with_its_place(text: str, line: int, column: int) -> None:
    with pytest.raises(PayloadNotParsed) as caught:
        parse_payload(text)
    assert (caught.value.values["line"], caught.value.values["column"]) == (line, column)
    assert caught.value.values["reason"] in PARSER_SAYS


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(PayloadNotJson, match="nested too deeply"):
        parse_payload("[" * 100_000)


def test_what_was_written_is_read_back() -> None:
    value = {"a": [None, {"b": "\x1f"}]}
    assert parse_payload(json.dumps(value)) == value
