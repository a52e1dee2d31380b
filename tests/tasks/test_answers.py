"""What providers' answers say, brought under one rule."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from agentpg.tasks.answers import (
    Answer,
    StreamedAnswer,
    Tokens,
    read_answer,
    read_tokens,
    stated_tokens,
)

pytestmark = pytest.mark.without_server

CHAT: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o-mini-2024-07-18",
    "service_tier": "default",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "…"}}],
    "usage": {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 20},
    },
}

RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "model": "o3",
    "status": "incomplete",
    "incomplete_details": {"reason": "max_output_tokens"},
    "usage": {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 40},
        "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 20},
        "total_tokens": 150,
    },
}

MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "model": "claude-haiku-4-5",
    "stop_reason": "end_turn",
    "usage": {
        "input_tokens": 504,
        "cache_creation_input_tokens": 123,
        "cache_read_input_tokens": 1000,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 23},
        "output_tokens": 97,
        "service_tier": "standard",
    },
}


def test_chat_completion() -> None:
    answer = read_answer(CHAT)
    assert answer.tokens is not None
    assert (answer.tokens.input, answer.tokens.output) == (100, 50)
    assert (answer.tokens.cache_read, answer.tokens.reasoning) == (40, 20)
    assert (answer.id, answer.model) == ("chatcmpl-1", "gpt-4o-mini-2024-07-18")
    assert (answer.finish_reason, answer.service_tier) == ("stop", "default")


def test_response() -> None:
    answer = read_answer(RESPONSE)
    assert answer.tokens == Tokens(input=100, output=50, cache_read=40, reasoning=20)
    assert answer.finish_reason == "max_output_tokens"


def test_message_counts_the_cache_into_the_input() -> None:
    answer = read_answer(MESSAGE)
    assert answer.tokens is not None
    assert answer.tokens.input == 504 + 123 + 1000
    assert (answer.tokens.cache_read, answer.tokens.cache_write) == (1000, 123)
    assert answer.tokens.details == {"cache_write_5m_tokens": 100, "cache_write_1h_tokens": 23}
    assert answer.finish_reason == "end_turn"


def test_embeddings_have_no_output() -> None:
    answer = read_answer({"model": "e", "usage": {"prompt_tokens": 9, "total_tokens": 9}})
    assert answer.tokens == Tokens(input=9, output=0)


def test_an_object_reads_like_a_dict() -> None:
    usage = SimpleNamespace(model_dump=lambda **_: CHAT["usage"])
    answer = read_answer(SimpleNamespace(id="x", model="m", usage=usage))
    assert (answer.id, answer.tokens) == ("x", read_answer(CHAT).tokens)


def test_the_cost_that_a_gateway_says() -> None:
    usage = {**CHAT["usage"], "cost": 0.00042}
    assert read_answer({**CHAT, "usage": usage}).cost_usd == 0.00042


@pytest.mark.parametrize("nothing", [None, {}, "text", 3, [], {"usage": None}, object()])
def test_what_says_nothing_is_unknown(nothing: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert read_answer(nothing) == Answer()
    assert not caplog.records


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 10, "completion_tokens": None},
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 50},
        },
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "completion_tokens_details": {"reasoning_tokens": 6},
        },
        {"prompt_tokens": -10, "completion_tokens": 5},
        {"prompt_tokens": "ten", "completion_tokens": 5},
        {"prompt_tokens": 10**15, "completion_tokens": 5},
        {"input_tokens": 5},
        {"something": "else"},
    ],
)
def test_usage_that_makes_no_sense_is_unknown(
    usage: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert read_tokens(usage) is None
    assert "makes no sense" in caplog.text


def test_stated_tokens() -> None:
    assert stated_tokens(input=None, output=None) is None
    assert stated_tokens(input=3, output=0) == Tokens(input=3, output=0)


def _gathered(*pieces: dict[str, Any]) -> Answer:
    stream = StreamedAnswer()
    for piece in pieces:
        stream.see(piece)
    return stream.answer()


_CHUNK: dict[str, Any] = {"id": "chatcmpl-1", "model": "gpt-4o-mini"}
_TEXT_CHUNK = {**_CHUNK, "choices": [{"finish_reason": None}], "usage": None}
_LAST_CHUNK = {**_CHUNK, "choices": [{"finish_reason": "stop"}], "usage": None}
_USAGE_CHUNK = {**_CHUNK, "choices": [], "usage": CHAT["usage"]}


def test_a_stream_of_chunks() -> None:
    answer = _gathered(_TEXT_CHUNK, _LAST_CHUNK, _USAGE_CHUNK)
    assert answer.tokens == read_answer(CHAT).tokens
    assert (answer.id, answer.model, answer.finish_reason) == ("chatcmpl-1", "gpt-4o-mini", "stop")


def test_running_usage_counts_only_at_the_end() -> None:
    """Some servers tell the usage so far with every chunk."""
    running = {**_TEXT_CHUNK, "usage": {"prompt_tokens": 100, "completion_tokens": 3}}
    assert _gathered(running).tokens is None
    assert _gathered(_TEXT_CHUNK, _LAST_CHUNK).tokens is None
    last = {**_LAST_CHUNK, "usage": {"prompt_tokens": 100, "completion_tokens": 9}}
    assert _gathered(running, last).tokens == Tokens(input=100, output=9)


def test_a_stream_of_response_events() -> None:
    created = {"type": "response.created", "response": {**RESPONSE, "usage": None}}
    delta = {"type": "response.output_text.delta", "delta": "…"}
    ended = {"type": "response.incomplete", "response": RESPONSE}
    assert _gathered(created, delta).tokens is None
    assert _gathered(created, delta, ended) == read_answer(RESPONSE)


def test_a_stream_of_message_events() -> None:
    usage = {**MESSAGE["usage"], "output_tokens": 1}
    start = {"type": "message_start", "message": {**MESSAGE, "stop_reason": None, "usage": usage}}
    delta = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "…"}}
    ended = {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"output_tokens": 97, "cache_read_input_tokens": None},
    }
    assert _gathered(start, delta).tokens is None
    assert _gathered(start, delta, ended, {"type": "message_stop"}) == read_answer(MESSAGE)
