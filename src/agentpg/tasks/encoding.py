"""Payloads and results as JSON text that PostgreSQL takes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from agentpg.errors import PayloadNotJson, PayloadTooLarge, ResultNotJson, ResultTooLarge
from agentpg.language import N_

# `json.dumps` would make an encoder for each call.
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def encode_payload(payload: Any, limit_bytes: int) -> str | None:
    """JSON text of a payload; None stays None.

    Raises PayloadNotJson and PayloadTooLarge.
    """
    if payload is None:
        return None
    try:
        text = _encode(payload)
    except (TypeError, ValueError, RecursionError) as error:
        raise PayloadNotJson(why_not_json(error)) from None
    size = _size(text)
    if size > limit_bytes:
        raise PayloadTooLarge(size_bytes=size, limit_bytes=limit_bytes)
    return text


def encode_result(result: Any, limit_bytes: int) -> str | None:
    """JSON text of a handler's result; None stays None.

    Raises ResultNotJson and ResultTooLarge.
    """
    if result is None:
        return None
    try:
        text = _encode(result)
    except (TypeError, ValueError, RecursionError) as error:
        raise ResultNotJson(why_not_json(error)) from None
    size = _size(text)
    if size > limit_bytes:
        raise ResultTooLarge(size_bytes=size, limit_bytes=limit_bytes)
    return text


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands for JSON that PostgreSQL holds and Python cannot read; `unreadable` says why, and
    `may_pass` whether it may be read another time."""

    unreadable: str

    @property
    def may_pass(self) -> bool:
        """Whether it may be read elsewhere, or another time."""
        return False


def decode_payload(text: str | bytes | None) -> Any:
    """A value from its JSON text; Unreadable for one that is nested too deeply, say."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        return Unreadable(why_not_json(error))


def plain_text(text: str) -> str:
    """Text as PostgreSQL can store it: no zero bytes, no halves of surrogate pairs."""
    text = text.replace("\x00", "\\x00")
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _encode(value: Any) -> str:
    text = _JSON.encode(value)
    if not text.isascii():
        text.encode()  # raises for half of a surrogate pair, which jsonb refuses
    if "\\u0000" in text and "\x00" in _all_text(value):
        raise ValueError("a text holds the character U+0000, which PostgreSQL cannot store")
    return text


def _size(text: str) -> int:
    """How many bytes the text has in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def _all_text(value: Any) -> str:
    """All texts of a value joined, keys included."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "".join(str(key) + _all_text(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return "".join(map(_all_text, value))
    return ""


def why_not_json(error: Exception) -> str:
    """What keeps a value from being JSON, or JSON from being a value."""
    if isinstance(error, RecursionError):
        return N_("it is nested too deeply")
    if isinstance(error, UnicodeEncodeError):
        return N_("a text holds half of a surrogate pair")
    if "integer string conversion" in str(error):
        return N_("a number has too many digits")
    return str(error)
