"""Anthropic's protocol: messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from agentpg.agents.standin.request import (
    Rejected,
    Reply,
    limit_of,
    messages_of,
    model_of,
    reply_to,
    text_of,
)
from agentpg.agents.standin.text import pieces

Event = tuple[str | None, dict[str, Any]]


def error_body(error: Rejected) -> dict[str, Any]:
    """An error in Anthropic's form."""
    kinds = {401: "authentication_error", 404: "not_found_error", 413: "request_too_large"}
    details = {"type": kinds.get(error.status, error.kind), "message": error.message}
    return {"type": "error", "error": details, "request_id": f"req_{uuid4().hex}"}


def messages(body: dict[str, Any]) -> dict[str, Any] | Iterator[Event]:
    """A message, whole or as the events of a stream."""
    limit = limit_of(body, "max_tokens")
    if limit is None:
        raise Rejected(400, "invalid_request_error", "max_tokens: Field required", "max_tokens")
    reply = reply_to(model_of(body), _conversation(body), limit)
    whole = _message(reply)
    return _events(reply, whole) if body.get("stream") else whole


def count(body: dict[str, Any]) -> dict[str, Any]:
    """How many tokens a message would have."""
    return {"input_tokens": reply_to(model_of(body), _conversation(body), None).figures.input}


def _conversation(body: dict[str, Any]) -> list[tuple[str, str]]:
    system = body.get("system")
    said = messages_of(body)
    return said if system is None else [("system", text_of(system)), *said]


def _message(reply: Reply) -> dict[str, Any]:
    return {
        "id": f"msg_{uuid4().hex}",
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": [{"type": "text", "text": reply.text, "citations": None}],
        "stop_reason": "end_turn" if reply.complete else "max_tokens",
        "stop_sequence": None,
        "usage": _usage(reply, reply.figures.output),
    }


def _usage(reply: Reply, output: int) -> dict[str, Any]:
    """In this protocol the input does not include what was read from the cache."""
    return {
        "input_tokens": reply.figures.input - reply.figures.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": reply.figures.cached,
        "output_tokens": output,
        "service_tier": "standard",
    }


def _events(reply: Reply, whole: dict[str, Any]) -> Iterator[Event]:
    begun = {**whole, "content": [], "stop_reason": None, "usage": _usage(reply, 1)}
    yield _event("message_start", message=begun)
    yield _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    yield _event("ping")
    for piece in pieces(reply.text):
        yield _event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
    yield _event("content_block_stop", index=0)
    end = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield _event("message_delta", delta=end, usage={"output_tokens": reply.figures.output})
    yield _event("message_stop")


def _event(kind: str, **data: Any) -> Event:
    return kind, {"type": kind, **data}
