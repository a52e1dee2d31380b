"""Calls are written down before they are made, and their end as it was."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from agentpg.db import Database
from agentpg.errors import CallInLoop, HandlerStopped
from agentpg.tasks.usage import LlmCall
from tests.tasks.recording import (
    caller,
    calls,
    differences,
    end_execution,
    execution,
    ledger_of,
    locked,
    only_call,
    open_execution,
    waits_for_a_lock,
)
from tests.waiting import eventually


async def _record(database: Database, work: Callable[[Callable[..., LlmCall]], Any]) -> None:
    """Have `work` record its calls on a new execution."""
    async with ledger_of(database) as ledger:
        await work(caller(ledger, open_execution(database)))


def test_a_row_is_there_before_the_call_is_made(database: Database) -> None:
    task = open_execution(database)

    async def work() -> None:
        async with ledger_of(database) as ledger, caller(ledger, task)() as call:
            row = only_call(database)
            assert (row.id, row.status, row.ended_at) == (call.id, "open", None)
            assert (row.task_id, row.attempt) == (task.id, task.attempt)
            assert (row.provider, row.model) == ("openai", "gpt-4o-mini")
            counted = execution(database, task)
            assert (counted["llm_calls"], counted["llm_unknown_calls"]) == (1, 1)
            assert counted["llm_unpriced_calls"] == 1
            assert differences(database) == []

    asyncio.run(work())
    assert only_call(database).status == "ok"


def test_what_is_known_at_the_end_is_written_and_counted(database: Database) -> None:
    task = open_execution(database)

    async def work() -> None:
        async with ledger_of(database) as ledger, caller(ledger, task)() as call:
            call.usage(
                input_tokens=1000,
                output_tokens=100,
                cache_read_tokens=400,
                reasoning_tokens=30,
                response_model="gpt-4o-mini-2024-07-18",
                response_id="chatcmpl-1",
                finish_reason="stop",
            )

    asyncio.run(work())
    row = only_call(database)
    assert (row.status, row.finish_reason) == ("ok", "stop")
    assert (row.input_tokens, row.output_tokens) == (1000, 100)
    assert (row.cache_read_tokens, row.cache_write_tokens, row.reasoning_tokens) == (400, None, 30)
    assert (row.cost_usd, row.cost_source) == (Decimal("0.00018"), "genai-prices")
    assert row.duration_seconds is not None
    assert 0 < row.duration_seconds < 10
    counted = execution(database, task)
    assert counted["llm_total_tokens"] == 1100
    assert counted["llm_cached_tokens"] == 400
    assert counted["llm_reasoning_tokens"] == 30
    assert (counted["llm_unknown_calls"], counted["llm_unpriced_calls"]) == (0, 0)
    assert counted["cost_usd"] == row.cost_usd
    assert differences(database) == []


def test_without_an_answer_the_tokens_stay_unknown(database: Database) -> None:
    async def work(llm_call: Callable[..., LlmCall]) -> None:
        async with llm_call():
            pass

    asyncio.run(_record(database, work))
    row = only_call(database)
    assert (row.status, row.input_tokens, row.cost_usd) == ("ok", None, None)
    assert row.cost_source == "unpriced"
    assert differences(database) == []


def test_an_error_is_recorded_without_secrets_and_passes_through(database: Database) -> None:
    async def work(llm_call: Callable[..., LlmCall]) -> None:
        with pytest.raises(ValueError, match="sk-proj"):
            async with llm_call():
                raise ValueError("Incorrect API key provided: sk-proj-0123456789abcdef")

    asyncio.run(_record(database, work))
    row = only_call(database)
    assert row.status == "error"
    assert row.error_message == "ValueError: Incorrect API key provided: sk-***"


def test_a_call_that_fails_after_its_answer_has_known_tokens(database: Database) -> None:
    async def work(llm_call: Callable[..., LlmCall]) -> None:
        async def answered_badly() -> None:
            async with llm_call() as call:
                call.usage(input_tokens=5, output_tokens=2)
                raise KeyError("choices")

        with pytest.raises(KeyError):
            await answered_badly()

    asyncio.run(_record(database, work))
    row = only_call(database)
    assert (row.status, row.input_tokens) == ("error", 5)
    assert differences(database) == []


def test_a_cancelled_call_is_recorded_as_cancelled(database: Database) -> None:
    async def work(llm_call: Callable[..., LlmCall]) -> None:
        begun = asyncio.Event()

        async def hang() -> None:
            async with llm_call():
                begun.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(hang())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(_record(database, work))
    row = only_call(database)
    assert (row.status, row.error_message) == ("error", "cancelled")


@pytest.mark.parametrize(
    "wrong",
    [
        {"input_tokens": 10, "output_tokens": 5, "cache_read_tokens": 11},
        {"input_tokens": 10, "output_tokens": 5, "cache_read_tokens": 6, "cache_write_tokens": 6},
        {"input_tokens": 10, "output_tokens": 5, "reasoning_tokens": 6},
        {"input_tokens": -1, "output_tokens": 5},
        {"input_tokens": 10},
        {"input_tokens": 1.5, "output_tokens": 5},
        {"input_tokens": 10**18, "output_tokens": 10**18},
        {"input_tokens": "many", "output_tokens": 5},
    ],
)
def test_usage_that_makes_no_sense_is_unknown(
    database: Database, wrong: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def work(llm_call: Callable[..., LlmCall]) -> None:
        async with llm_call() as call:
            call.usage(**wrong)

    asyncio.run(_record(database, work))
    row = only_call(database)
    assert (row.status, row.input_tokens, row.output_tokens, row.cost_usd) == ("ok",) + (None,) * 3
    assert "makes no sense" in caplog.text
    assert differences(database) == []


def test_what_is_too_long_or_not_text_is_made_to_fit(database: Database) -> None:
    async def work(llm_call: Callable[..., LlmCall]) -> None:
        async def too_much() -> None:
            async with llm_call(provider="p" * 300, model="m\x00" * 300) as call:
                call.usage(response_model="r" * 999, response_id="i" * 999, finish_reason="f" * 999)
                raise RuntimeError("\x00\ud800" + "x" * 5000)

        with pytest.raises(RuntimeError):
            await too_much()

    asyncio.run(_record(database, work))
    row = only_call(database)
    assert len(row.provider or "") == 100
    assert len(row.model or "") == 200
    assert row.error_message is not None
    assert len(row.error_message) < 600


@pytest.mark.parametrize("cost", [-1, "NaN", "dear", 10**9])
def test_a_cost_that_makes_no_sense_is_unknown(database: Database, cost: Any) -> None:
    async def work(llm_call: Callable[..., LlmCall]) -> None:
        async with llm_call() as call:
            call.usage(input_tokens=1, output_tokens=1, cost_usd=cost)

    asyncio.run(_record(database, work))
    row = only_call(database)
    assert (row.input_tokens, row.cost_usd, row.cost_source) == (1, None, "unpriced")
    assert differences(database) == []


def test_a_cost_that_the_provider_said_wins(database: Database) -> None:
    async def work(llm_call: Callable[..., LlmCall]) -> None:
        async with llm_call() as call:
            call.usage(input_tokens=1, output_tokens=1, cost_usd="0.5")
        async with llm_call(model="no-such-model") as call:
            call.usage(cost_usd=Decimal("0.25"))

    asyncio.run(_record(database, work))
    first, second = calls(database)
    assert (first.cost_usd, first.cost_source) == (Decimal("0.5"), "provider")
    assert (second.cost_usd, second.input_tokens) == (Decimal("0.25"), None)
    assert differences(database) == []


def test_a_sync_handler_records_from_its_thread(database: Database) -> None:
    async def work(llm_call: Callable[..., LlmCall]) -> None:
        def handler() -> None:
            with llm_call() as call:
                assert only_call(database).status == "open"
                call.usage(input_tokens=3, output_tokens=4)

        await asyncio.to_thread(handler)

    asyncio.run(_record(database, work))
    assert only_call(database).output_tokens == 4


def test_a_handler_with_a_loop_of_its_own_records_too(database: Database) -> None:
    async def work(llm_call: Callable[..., LlmCall]) -> None:
        async def inner() -> None:
            async with llm_call() as call:
                call.usage(input_tokens=3, output_tokens=4)

        await asyncio.to_thread(lambda: asyncio.run(inner()))

    asyncio.run(_record(database, work))
    assert only_call(database).output_tokens == 4


def test_a_blocking_call_in_the_loop_is_refused(database: Database) -> None:
    async def work(llm_call: Callable[..., LlmCall]) -> None:
        with pytest.raises(CallInLoop, match="async handler"), llm_call():
            pass

    asyncio.run(_record(database, work))
    assert calls(database) == []


def test_a_call_is_made_once(database: Database) -> None:
    async def work(llm_call: Callable[..., LlmCall]) -> None:
        call = llm_call()
        async with call:
            pass
        with pytest.raises(RuntimeError, match="has been made"):
            async with call:
                pass

    asyncio.run(_record(database, work))
    assert only_call(database).status == "ok"


def test_an_attempt_that_has_ended_calls_no_model(database: Database) -> None:
    task = open_execution(database)
    end_execution(database, task, "lost")

    async def work() -> None:
        async with ledger_of(database) as ledger:
            with pytest.raises(HandlerStopped, match="has ended"):
                async with caller(ledger, task)():
                    pytest.fail("the call was made")

    asyncio.run(work())
    assert calls(database) == []


def test_a_sync_handler_that_must_stop_waits_no_longer(database: Database) -> None:
    """The database is away: here, its execution is locked by somebody else."""
    task = open_execution(database)
    stop = threading.Event()

    def check() -> None:
        if stop.is_set():
            raise HandlerStopped("cancelled on request")

    async def work() -> None:
        loop = asyncio.get_running_loop()
        async with ledger_of(database) as ledger:
            call = LlmCall(ledger, task, loop, provider="openai", model="gpt-4o", check=check)

            def handler() -> None:
                with call:
                    pytest.fail("the call was made")

            with locked(database, task):
                waiting = asyncio.ensure_future(asyncio.to_thread(handler))
                await asyncio.to_thread(eventually, lambda: waits_for_a_lock(database))
                stop.set()
                with pytest.raises(HandlerStopped, match="cancelled on request"):
                    await waiting

    asyncio.run(work())
    row = only_call(database)
    assert (row.status, row.error_message) == ("error", "cancelled before it was made")
    assert differences(database) == []


def test_a_cancelled_handler_waits_no_longer(database: Database) -> None:
    task = open_execution(database)

    async def work() -> None:
        async with ledger_of(database) as ledger:
            llm_call = caller(ledger, task)

            async def handler() -> None:
                async with llm_call():
                    pytest.fail("the call was made")

            with locked(database, task):
                waiting = asyncio.create_task(handler())
                await asyncio.to_thread(eventually, lambda: waits_for_a_lock(database))
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting

    asyncio.run(work())
    assert only_call(database).error_message == "cancelled before it was made"
    assert differences(database) == []
