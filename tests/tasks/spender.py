"""A process that calls models until it is killed.

    python -m tests.tasks.spender DSN SCHEMA TASK_ID ENDPOINT

With an ENDPOINT it reads one slow stream there; without, it makes many short calls.
"""

from __future__ import annotations

import asyncio
import random
import sys
from contextlib import suppress
from itertools import count
from typing import Any
from uuid import UUID

from agentpg.db import Database
from agentpg.tasks.usage import Ledger
from agentpg.tasks.wrapping import wrap_client
from tests.tasks.recording import caller, claimed, ledger_of


async def spend(ledger: Ledger, task_id: UUID, model: str) -> None:
    """One call of the kind that its handler makes: known, unknown, or failed."""
    llm_call = caller(ledger, claimed(task_id))
    with suppress(ConnectionError):
        async with llm_call(model=model) as call:
            await asyncio.sleep(random.random() * 0.01)
            if random.random() < 0.6:
                call.usage(input_tokens=random.randrange(5000), output_tokens=random.randrange(500))
            if random.random() < 0.2:
                raise ConnectionError("the endpoint went away")


async def read_slowly(ledger: Ledger, task_id: UUID, endpoint: str) -> None:
    """Read one stream, and say so at its first piece."""
    from openai import AsyncOpenAI

    async with AsyncOpenAI(base_url=endpoint, api_key="any") as plain:
        client = wrap_client(plain, caller(ledger, claimed(task_id)))
        messages: Any = [{"role": "user", "content": "The backup runs each night at two. " * 9}]
        stream = await client.chat.completions.create(
            model="gpt-4o-mini", messages=messages, stream=True
        )
        async for _ in stream:
            sys.stdout.write("reading\n")
            sys.stdout.flush()


async def main(dsn: str, schema: str, task_id: str, endpoint: str = "") -> None:
    """Spend until killed."""
    async with ledger_of(Database(dsn, schema)) as ledger:
        if endpoint:
            await read_slowly(ledger, UUID(task_id), endpoint)
            return
        sys.stdout.write("spending\n")
        sys.stdout.flush()
        for _ in count():
            models = random.choices(["gpt-4o", "our-own-model"], k=8)
            await asyncio.gather(*(spend(ledger, UUID(task_id), model) for model in models))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
