"""What a client of the stand-in asks for, and what is wrong with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from agentpg.agents.standin.text import count_tokens, cut, summarise

# Models that think before they answer, by the beginning of their names.
_REASONING = ("o1", "o3", "o4", "gpt-5")


class Rejected(Exception):
    """A request that gets an error: its HTTP status, its kind and the message."""

    def __init__(self, status: int, kind: str, message: str, parameter: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message
        self.parameter = parameter


@dataclass(frozen=True, slots=True)
class Figures:
    """The tokens of one answer; cached ones are part of `input`, reasoning of `output`."""

    input: int
    cached: int
    output: int
    reasoning: int


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, before it has the form of a protocol."""

    model: str
    text: str
    complete: bool
    figures: Figures


def read_body(raw: bytes) -> dict[str, Any]:
    """The JSON object of a request."""
    try:
        body = json.loads(raw)
    except ValueError:
        raise _wrong("We could not parse the JSON body of your request.") from None
    if not isinstance(body, dict):
        raise _wrong("The body of your request must be a JSON object.")
    return body


def model_of(body: dict[str, Any]) -> str:
    """The model that is asked for; any name is taken."""
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise _wrong("You must provide a model parameter.", "model")
    return model


def messages_of(body: dict[str, Any]) -> list[tuple[str, str]]:
    """Role and text of each message."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise _wrong("Missing required parameter: 'messages'.", "messages")
    return [_message(message) for message in messages]


def limit_of(body: dict[str, Any], *names: str) -> int | None:
    """The most tokens that the answer may have."""
    for name in names:
        limit = body.get(name)
        if limit is None:
            continue
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise _wrong(f"Invalid '{name}': it must be an integer of 1 or more.", name)
        return limit
    return None


def text_of(content: Any) -> str:
    """The text of a message's content, given as a string or as parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise _wrong("The content of a message must be a string or an array of parts.", "messages")
    parts = (part.get("text") for part in content if isinstance(part, dict))
    return "\n".join(part for part in parts if isinstance(part, str))


def reply_to(model: str, messages: list[tuple[str, str]], limit: int | None) -> Reply:
    """Summarise what the last user said; the instructions before it count as cached."""
    said = [text for role, text in messages if role == "user"]
    instructions = "\n".join(text for role, text in messages if role in ("system", "developer"))
    whole = summarise(said[-1] if said else "")
    text = whole if limit is None else cut(whole, limit)
    spoken = count_tokens(text)
    reasoning = spoken // 2 if model.startswith(_REASONING) else 0
    figures = Figures(
        input=sum(count_tokens(text) + 4 for _, text in messages) + 3,
        cached=count_tokens(instructions) // 16 * 16,
        output=spoken + reasoning,
        reasoning=reasoning,
    )
    return Reply(model=model, text=text, complete=text == whole, figures=figures)


def _message(message: Any) -> tuple[str, str]:
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise _wrong("Each message must be an object with a role and a content.", "messages")
    content = message.get("content")
    return message["role"], "" if content is None else text_of(content)


def _wrong(message: str, parameter: str | None = None) -> Rejected:
    return Rejected(400, "invalid_request_error", message, parameter)
