"""Payloads that come as text, from a command line or a file."""

from __future__ import annotations

import json
from typing import Any

from agentpg.errors import PayloadNotJson, PayloadNotParsed
from agentpg.language import N_
from agentpg.tasks.encoding import why_not_json

# What Python's parser says, so that it can be said in the reader's language.
PARSER_SAYS = (
    N_("Expecting value"),
    N_("Expecting property name enclosed in double quotes"),
    N_("Expecting ',' delimiter"),
    N_("Expecting ':' delimiter"),
    N_("Illegal trailing comma before end of object"),
    N_("Illegal trailing comma before end of array"),
    N_("Unterminated string starting at"),
    N_("Invalid control character at"),
    N_("Invalid \\escape"),
    N_("Invalid \\uXXXX escape"),
    N_("Extra data"),
)


def parse_payload(text: str) -> Any:
    """The value that a JSON text stands for; nothing but white space is no payload.

    Raises PayloadNotParsed with the place where the text stops being JSON.
    """
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise PayloadNotParsed(
            error.msg.removesuffix(": "), line=error.lineno, column=error.colno
        ) from None
    except (ValueError, RecursionError) as error:
        raise PayloadNotJson(why_not_json(error)) from None
