"""A payload as it is given on the command line: JSON, @FILE, or - for standard input."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agentpg.errors import FileNotRead
from agentpg.language import N_

_NO_PAYLOAD = N_("For a task without a payload leave it out, or give null.")


def read_payload(given: str) -> Any:
    """The payload that was given. Raises FileNotRead, and PayloadNotJson or its like.

    A file or standard input that is empty is an error: whatever was to write it has failed.
    """
    from agentpg.tasks.payloads import parse_payload

    if given == "-":
        return parse_payload(_text(sys.stdin.read, "-"))
    if given.startswith("@"):
        path = given.removeprefix("@")
        return parse_payload(_text(lambda: Path(path).read_text(encoding="utf-8"), path))
    return parse_payload(given)


def _text(read: Callable[[], str], path: str) -> str:
    try:
        text = read()
    except OSError as error:
        raise FileNotRead(error.strerror or str(error), path=path) from None
    except UnicodeDecodeError:
        raise FileNotRead(N_("it is not text in UTF-8"), path=path) from None
    if not text.strip():
        raise FileNotRead(N_("it is empty"), hint=_NO_PAYLOAD, path=path)
    return text
