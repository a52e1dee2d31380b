"""Nothing that must stay secret is stored with an error."""

from __future__ import annotations

import asyncio

import pytest

from agentpg.tasks.redaction import error_text, without_secrets


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        (
            "Incorrect API key provided: sk-proj-abcdefghijkl.",
            "Incorrect API key provided: sk-***.",
        ),
        ("key gsk_0123456789abcdef is wrong", "key gsk_*** is wrong"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer ***"),
        ("{'x-api-key': 'abcdefgh', 'a': 1}", "{'x-api-key': '***', 'a': 1}"),
        ("https://host/v1?api_key=abcdef&x=1", "https://host/v1?api_key=***&x=1"),
        ("postgresql://me:secret@host/db", "postgresql://me:***@host/db"),
        ("host=h password='a b' user=u", "host=h password=*** user=u"),
        ("a task-runner at the desk-side", "a task-runner at the desk-side"),
        ("maximum context length is 128000 tokens", "maximum context length is 128000 tokens"),
    ],
)
def test_secrets_are_hidden(text: str, safe: str) -> None:
    assert without_secrets(text) == safe


def test_a_given_secret_is_hidden_whatever_it_looks_like() -> None:
    assert without_secrets("the key hunter2 is wrong", "hunter2", "") == "the key *** is wrong"


def test_a_text_is_cut() -> None:
    assert len(without_secrets("x" * 10_000)) == 500


def test_errors() -> None:
    assert error_text(asyncio.CancelledError()) == "cancelled"
    assert error_text(ValueError("no")) == "ValueError: no"
    assert error_text(TimeoutError()) == "TimeoutError"
