"""Nothing that must stay secret is stored with an error."""

from __future__ import annotations

import asyncio
import time

import pytest

from agentpg.tasks.redaction import error_text, without_secrets

pytestmark = pytest.mark.without_server


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
        ("{'user': 'a', 'password': 'a b'}", "{'user': 'a', 'password': ***}"),
        ('{"db_passwd": "x,y", "a": 1}', '{"db_passwd": ***, "a": 1}'),
        ("PGPASSWORD=secret psql", "PGPASSWORD=*** psql"),
        ("AWS_SECRET_ACCESS_KEY=abc/def", "AWS_SECRET_ACCESS_KEY=***"),
        ("AKIAIOSFODNN7EXAMPLE is wrong", "*** is wrong"),
        ("refresh_token: abc", "refresh_token: ***"),
        ("jwt eyJhbGciOi.eyJzdWIi.c2ln expired", "jwt *** expired"),
        ("key-3ax6xnjp29jd6fds4gc373sgv", "key-***"),
        ('violates unique constraint "pk_customers"', 'violates unique constraint "pk_customers"'),
        ("KeyError: 'key_of_the_order'", "KeyError: 'key_of_the_order'"),
        ("wrong password: try again", "wrong password: try again"),
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
    assert len(without_secrets("x" * 10_000, longest=8000)) == 8000
    long = "a " * 5_000_000 + "password=secret"
    assert without_secrets(f"password=x {long}", longest=100).startswith("password=*** a a")


@pytest.mark.parametrize("piece", ["://a:", "passw", '"passw', "secret_a", "api key ", "eyJ."])
def test_no_text_takes_long(piece: str) -> None:
    began = time.process_time()
    without_secrets(piece * 10_000, longest=10_000)
    assert time.process_time() - began < 2


def test_errors() -> None:
    assert error_text(asyncio.CancelledError()) == "cancelled"
    assert error_text(ValueError("no")) == "ValueError: no"
    assert error_text(TimeoutError()) == "TimeoutError"
