"""OpenAI's protocols: chat completions, responses and embeddings."""

from __future__ import annotations

import base64
import struct
import time
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
from agentpg.agents.standin.text import count_tokens, embed, pieces

FINGERPRINT = "stand-in"

_DIMENSIONS = 256

Event = tuple[str | None, dict[str, Any]]


def error_body(error: Rejected) -> dict[str, Any]:
    """An error in OpenAI's form."""
    details = {"message": error.message, "type": error.kind, "param": error.parameter, "code": None}
    if error.status == 401:
        details["code"] = "invalid_api_key"
    return {"error": details}


def models() -> dict[str, Any]:
    """The list of models: any name is taken, and this one is honest."""
    model = {"id": "stand-in", "object": "model", "created": 0, "owned_by": "stand-in"}
    return {"object": "list", "data": [model]}


def chat(body: dict[str, Any]) -> dict[str, Any] | Iterator[Event]:
    """A chat completion, whole or as the events of a stream."""
    model, messages = model_of(body), messages_of(body)
    options = body.get("stream_options")
    if options is not None and not body.get("stream"):
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise Rejected(400, "invalid_request_error", message, "stream_options")
    if body.get("n") not in (None, 1):
        raise Rejected(400, "invalid_request_error", "This stand-in gives one choice.", "n")
    reply = reply_to(model, messages, limit_of(body, "max_completion_tokens", "max_tokens"))
    if body.get("stream"):
        with_usage = bool(isinstance(options, dict) and options.get("include_usage"))
        return _chat_events(reply, with_usage=with_usage)
    message_out = {"role": "assistant", "content": reply.text, "refusal": None}
    choice = {"index": 0, "message": message_out, "logprobs": None, "finish_reason": _reason(reply)}
    return {**_chat_head(reply, "chat.completion"), "choices": [choice], "usage": _usage(reply)}


def responses(body: dict[str, Any]) -> dict[str, Any] | Iterator[Event]:
    """A response, whole or as the events of a stream."""
    model = model_of(body)
    reply = reply_to(model, _response_input(body), limit_of(body, "max_output_tokens"))
    whole = _response(reply)
    return _response_events(reply, whole) if body.get("stream") else whole


def embeddings(body: dict[str, Any]) -> dict[str, Any]:
    """One vector a text, as numbers or in base64."""
    model = model_of(body)
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
        raise Rejected(400, "invalid_request_error", "'input' must be text or texts.", "input")
    dimensions = limit_of(body, "dimensions") or _DIMENSIONS
    coded = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": i, "embedding": _vector(text, dimensions, coded=coded)}
        for i, text in enumerate(texts)
    ]
    tokens = sum(map(count_tokens, texts))
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": model, "usage": usage}


def _chat_head(reply: Reply, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": reply.model,
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
    }


def _chat_events(reply: Reply, *, with_usage: bool) -> Iterator[Event]:
    head = _chat_head(reply, "chat.completion.chunk")
    usage = {"usage": None} if with_usage else {}

    def chunk(delta: dict[str, Any], reason: str | None = None) -> Event:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return None, {**head, "choices": [choice], **usage}

    yield chunk({"role": "assistant", "content": "", "refusal": None})
    for piece in pieces(reply.text):
        yield chunk({"content": piece})
    yield chunk({}, _reason(reply))
    if with_usage:
        yield None, {**head, "choices": [], "usage": _usage(reply)}


def _reason(reply: Reply) -> str:
    return "stop" if reply.complete else "length"


def _usage(reply: Reply) -> dict[str, Any]:
    figures = reply.figures
    return {
        "prompt_tokens": figures.input,
        "completion_tokens": figures.output,
        "total_tokens": figures.input + figures.output,
        "prompt_tokens_details": {"cached_tokens": figures.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": figures.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _response_input(body: dict[str, Any]) -> list[tuple[str, str]]:
    given = body.get("input")
    if isinstance(given, str):
        messages = [("user", given)]
    elif isinstance(given, list) and given:
        items = (item for item in given if isinstance(item, dict) and "content" in item)
        messages = [(str(item.get("role", "user")), text_of(item["content"])) for item in items]
    else:
        raise Rejected(
            400, "invalid_request_error", "Missing required parameter: 'input'.", "input"
        )
    instructions = body.get("instructions")
    return [("developer", instructions), *messages] if isinstance(instructions, str) else messages


def _response(reply: Reply) -> dict[str, Any]:
    figures = reply.figures
    return {
        "id": f"resp_{uuid4().hex}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "completed" if reply.complete else "incomplete",
        "error": None,
        "incomplete_details": None if reply.complete else {"reason": "max_output_tokens"},
        "instructions": None,
        "metadata": {},
        "model": reply.model,
        "output": [_output_message(reply.text, "completed")],
        "parallel_tool_calls": True,
        "service_tier": "default",
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": {
            "input_tokens": figures.input,
            "input_tokens_details": {"cached_tokens": figures.cached},
            "output_tokens": figures.output,
            "output_tokens_details": {"reasoning_tokens": figures.reasoning},
            "total_tokens": figures.input + figures.output,
        },
    }


def _output_message(text: str, status: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
    return {
        "id": "msg_stand_in",
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": content if text else [],
    }


def _response_events(reply: Reply, whole: dict[str, Any]) -> Iterator[Event]:
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    item = _output_message(reply.text, "completed")
    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    empty = {"type": "output_text", "text": "", "annotations": []}
    steps: list[tuple[str, dict[str, Any]]] = [
        ("response.created", {"response": begun}),
        ("response.in_progress", {"response": begun}),
        ("output_item.added", {"output_index": 0, "item": _output_message("", "in_progress")}),
        ("content_part.added", {**place, "part": empty}),
        *(
            ("output_text.delta", {**place, "delta": piece, "logprobs": []})
            for piece in pieces(reply.text)
        ),
        ("output_text.done", {**place, "text": reply.text, "logprobs": []}),
        ("content_part.done", {**place, "part": {**empty, "text": reply.text}}),
        ("output_item.done", {"output_index": 0, "item": item}),
        (f"response.{whole['status']}", {"response": whole}),
    ]
    for number, (name, data) in enumerate(steps):
        kind = name if name.startswith("response.") else f"response.{name}"
        yield kind, {"type": kind, "sequence_number": number, **data}


def _vector(text: str, dimensions: int, *, coded: bool) -> list[float] | str:
    vector = embed(text, dimensions)
    if not coded:
        return vector
    return base64.b64encode(struct.pack(f"<{dimensions}f", *vector)).decode()
