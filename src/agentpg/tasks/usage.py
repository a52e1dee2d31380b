"""The ledger of calls to language models."""

from __future__ import annotations

import asyncio

from agentpg.db import SteadyConnection
from agentpg.tasks.model import Claimed


class Ledger:
    """Writes the rows of `llm_requests` and the counters on their execution."""

    def __init__(self, connection: SteadyConnection, schema: str) -> None:
        self._connection = connection
        self._schema = schema


class LlmCall:
    """One call under way."""

    def __init__(
        self,
        ledger: Ledger,
        task: Claimed,
        loop: asyncio.AbstractEventLoop,
        *,
        provider: str,
        model: str,
    ) -> None:
        self._ledger = ledger
