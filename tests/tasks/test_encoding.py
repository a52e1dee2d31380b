"""Payloads and results as JSON text that PostgreSQL takes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from agentpg.errors import PayloadNotJson, PayloadTooLarge, ResultNotJson, ResultTooLarge
from agentpg.tasks.encoding import encode_payload, encode_result, plain_text

pytestmark = pytest.mark.without_server

LIMIT = 1000

GOOD = [
    {},
    {"name": "김", "list": [1, 2.5, None, True], "deep": {"a": {"b": "c"}}},
    "text",
    0,
    False,
    [],
    (1, 2),
    "\\u0000 is six characters here",
    {1: "a number as a key"},
    "😀",
]

BAD = [
    ({1, 2}, "Object of type set is not JSON serializable"),
    (b"bytes", "Object of type bytes is not JSON serializable"),
    (float("nan"), "Out of range float values are not JSON compliant"),
    ([float("inf")], "Out of range float values are not JSON compliant"),
    ("\ud800", "a text holds half of a surrogate pair"),
    ({"\udfff": 1}, "a text holds half of a surrogate pair"),
    ("\x00", "a text holds the character U+0000, which PostgreSQL cannot store"),
    ({"a": ["b", ("c\x00",)]}, "a text holds the character U+0000"),
    ({"\x00": 1}, "a text holds the character U+0000"),
    ({("a", "b"): 1}, "keys must be str"),
]


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("value", GOOD, ids=str)
def test_what_is_json_comes_back(value: Any) -> None:
    for text in (encode_payload(value, LIMIT), encode_result(value, LIMIT)):
        assert text is not None
        assert json.loads(text) == json.loads(json.dumps(value))


def test_nothing_stays_nothing() -> None:
    assert encode_payload(None, LIMIT) is None
    assert encode_result(None, LIMIT) is None


@pytest.mark.parametrize(("value", "reason"), BAD, ids=[repr(value)[:20] for value, _ in BAD])
def test_what_is_not_json_is_refused_with_the_reason(value: Any, reason: str) -> None:
    with pytest.raises(PayloadNotJson, match=re.escape(reason)):
        encode_payload(value, LIMIT)
    with pytest.raises(ResultNotJson, match=re.escape(reason)):
        encode_result(value, LIMIT)


def test_what_holds_itself_is_refused() -> None:
    ring: list[Any] = []
    ring.append(ring)
    with pytest.raises(PayloadNotJson, match="Circular reference"):
        encode_payload(ring, LIMIT)
    with pytest.raises(PayloadNotJson, match="nested too deeply"):
        encode_payload(nested(100_000), LIMIT)


def test_the_limit_counts_bytes() -> None:
    assert encode_payload("x" * 998, LIMIT) is not None
    with pytest.raises(PayloadTooLarge) as large:
        encode_payload("x" * 999, LIMIT)
    assert (large.value.values["size_bytes"], large.value.values["limit_bytes"]) == (1001, 1000)
    assert "1001 bytes, over the limit of 1000" in str(large.value)
    with pytest.raises(PayloadTooLarge, match="1202 bytes"):
        encode_payload("김" * 400, LIMIT)
    with pytest.raises(ResultTooLarge, match="1001 bytes"):
        encode_result("x" * 999, LIMIT)


def test_plain_text_is_storable() -> None:
    assert plain_text("a\x00b\ud800c김") == "a\\x00b\\ud800c김"
