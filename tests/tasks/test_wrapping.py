"""The vendors' own clients, recorded: real clients, a real server, a real database."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from agentpg.agents.standin import StandIn
from agentpg.db import Database
from agentpg.errors import CallInLoop, ClientUnknown
from agentpg.tasks.model import LlmRequest
from agentpg.tasks.usage import LlmCall
from agentpg.tasks.wrapping import wrap_client
from tests.tasks.recording import (
    caller,
    calls,
    differences,
    ledger_of,
    only_call,
    open_execution,
)
from tests.waiting import eventually

if TYPE_CHECKING:
    import anthropic
    import openai

pytestmark = [pytest.mark.one_server, pytest.mark.xdist_group("vendors")]

MODEL = "gpt-4o-mini"
CLAUDE = "claude-haiku-4-5"

TEXT = "The backup runs each night at two. " * 2 + "A drill restores the backup each week."

ASK: Any = [
    {"role": "system", "content": "Summarise the document that follows. " * 4},
    {"role": "user", "content": TEXT},
]
ASK_CLAUDE: Any = ASK[1:]

Maker = Callable[..., LlmCall]


class Vendors:
    """Their packages, and their clients for a stand-in."""

    def __init__(self) -> None:
        import anthropic
        import openai

        self.openai, self.anthropic = openai, anthropic

    def client(self, at: StandIn) -> openai.OpenAI:
        return self.openai.OpenAI(base_url=at.url, api_key="any", max_retries=0)

    def async_client(self, at: StandIn) -> openai.AsyncOpenAI:
        return self.openai.AsyncOpenAI(base_url=at.url, api_key="any", max_retries=0)

    def claude(self, at: StandIn) -> anthropic.Anthropic:
        return self.anthropic.Anthropic(base_url=at.anthropic_url, api_key="any", max_retries=0)

    def async_claude(self, at: StandIn) -> anthropic.AsyncAnthropic:
        url = at.anthropic_url
        return self.anthropic.AsyncAnthropic(base_url=url, api_key="any", max_retries=0)


@pytest.fixture(scope="module")
def vendors() -> Vendors:
    """Imported where these tests run: every process of a run would spend two seconds on it."""
    return Vendors()


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    with StandIn(latency=timedelta(), pace=timedelta()) as running:
        yield running


@pytest.fixture
def record(database: Database) -> Callable[..., None]:
    """Call it with an async function, or a sync one for a thread, that gets `llm_call`."""
    task = open_execution(database)

    def run(work: Callable[[Maker], Awaitable[None] | None]) -> None:
        async def inside() -> None:
            async with ledger_of(database) as ledger:
                llm_call = caller(ledger, task)
                if asyncio.iscoroutinefunction(work):
                    await work(llm_call)
                else:
                    await asyncio.to_thread(work, llm_call)

        asyncio.run(inside())
        assert differences(database) == []

    return run


def _known(call: LlmRequest) -> bool:
    return call.status == "ok" and bool(call.input_tokens) and call.output_tokens is not None


# --- what is recorded, sync ---


def _chat(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=ASK)
    assert answer.choices[0].message.content


def _chat_stream(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model=MODEL, messages=ASK, stream=True))
    # Nobody asked for the chunk that has a usage and no choice; unguarded code would break.
    assert all(chunk.choices for chunk in chunks)


def _chat_stream_with_usage(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model=MODEL, messages=ASK, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[-1].usage is not None


def _chat_helper(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model=MODEL, messages=ASK) as stream:
        assert stream.get_final_completion().choices[0].message.content


def _chat_parse(client: openai.OpenAI) -> None:
    assert client.chat.completions.parse(model=MODEL, messages=ASK).choices


def _chat_raw(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=ASK)
    assert raw.headers["x-stand-in"]
    assert raw.parse().choices


def _chat_raw_stream(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=ASK, stream=True)
    assert list(raw.parse())


def _chat_with_options(client: openai.OpenAI) -> None:
    other = client.with_options(timeout=30)
    assert other.chat.completions.create(model=MODEL, messages=ASK).choices


def _responses(client: openai.OpenAI) -> None:
    assert client.responses.create(model=MODEL, input=TEXT).output_text


def _responses_stream(client: openai.OpenAI) -> None:
    kinds = [e.type for e in client.responses.create(model=MODEL, input=TEXT, stream=True)]
    assert kinds[-1] == "response.completed"


def _responses_helper(client: openai.OpenAI) -> None:
    with client.responses.stream(model=MODEL, input=TEXT) as stream:
        assert stream.get_final_response().output_text


def _embeddings(client: openai.OpenAI) -> None:
    assert client.embeddings.create(model="text-embedding-3-small", input=TEXT).data


OPENAI_WORK = [
    _chat, _chat_stream, _chat_stream_with_usage, _chat_helper, _chat_parse, _chat_raw,
    _chat_raw_stream, _chat_with_options, _responses, _responses_stream, _responses_helper,
    _embeddings,
]  # fmt: skip


@pytest.mark.parametrize("work", OPENAI_WORK, ids=lambda work: work.__name__.strip("_"))
def test_openai_is_recorded(
    database: Database,
    record: Callable[..., None],
    stand_in: StandIn,
    work: Callable[[openai.OpenAI], None],
    vendors: Vendors,
) -> None:
    def handler(llm_call: Maker) -> None:
        with vendors.client(stand_in) as client:
            work(wrap_client(client, llm_call))

    record(handler)
    call = only_call(database)
    assert _known(call)
    assert call.provider == "openai"
    assert call.cost_source == "genai-prices"
    assert call.cost_usd is not None
    assert call.cost_usd > 0


def _messages(client: anthropic.Anthropic) -> None:
    assert client.messages.create(model=CLAUDE, max_tokens=99, messages=ASK_CLAUDE).content


def _messages_stream(client: anthropic.Anthropic) -> None:
    events = client.messages.create(model=CLAUDE, max_tokens=99, messages=ASK_CLAUDE, stream=True)
    assert [event.type for event in events][-1] == "message_stop"


def _messages_helper(client: anthropic.Anthropic) -> None:
    with client.messages.stream(model=CLAUDE, max_tokens=99, messages=ASK_CLAUDE) as stream:
        assert "".join(stream.text_stream) == stream.get_final_text()


def _messages_raw(client: anthropic.Anthropic) -> None:
    raw = client.messages.with_raw_response.create(model=CLAUDE, max_tokens=99, messages=ASK_CLAUDE)
    assert raw.parse().content


def _beta_messages(client: anthropic.Anthropic) -> None:
    assert client.beta.messages.create(model=CLAUDE, max_tokens=99, messages=ASK_CLAUDE).content


ANTHROPIC_WORK = [_messages, _messages_stream, _messages_helper, _messages_raw, _beta_messages]


@pytest.mark.parametrize("work", ANTHROPIC_WORK, ids=lambda work: work.__name__.strip("_"))
def test_anthropic_is_recorded(
    database: Database,
    record: Callable[..., None],
    stand_in: StandIn,
    work: Callable[[anthropic.Anthropic], None],
    vendors: Vendors,
) -> None:
    def handler(llm_call: Maker) -> None:
        with vendors.claude(stand_in) as client:
            work(wrap_client(client, llm_call))

    record(handler)
    call = only_call(database)
    assert _known(call)
    assert (call.provider, call.finish_reason) == ("anthropic", "end_turn")
    assert call.cost_source == "genai-prices"


# --- the same, async ---


async def _async_chat(client: openai.AsyncOpenAI) -> None:
    assert (await client.chat.completions.create(model=MODEL, messages=ASK)).choices


async def _async_chat_stream(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(model=MODEL, messages=ASK, stream=True)
    assert all([chunk.choices async for chunk in stream])


async def _async_chat_helper(client: openai.AsyncOpenAI) -> None:
    async with client.chat.completions.stream(model=MODEL, messages=ASK) as stream:
        assert (await stream.get_final_completion()).choices


async def _async_responses_stream(client: openai.AsyncOpenAI) -> None:
    stream = await client.responses.create(model=MODEL, input=TEXT, stream=True)
    assert [event.type async for event in stream][-1] == "response.completed"


async def _async_embeddings(client: openai.AsyncOpenAI) -> None:
    assert (await client.embeddings.create(model="text-embedding-3-small", input=TEXT)).data


ASYNC_OPENAI_WORK = [
    _async_chat, _async_chat_stream, _async_chat_helper, _async_responses_stream,
    _async_embeddings,
]  # fmt: skip


@pytest.mark.parametrize("work", ASYNC_OPENAI_WORK, ids=lambda work: work.__name__.strip("_"))
def test_async_openai_is_recorded(
    database: Database,
    record: Callable[..., None],
    stand_in: StandIn,
    work: Callable[[openai.AsyncOpenAI], Awaitable[None]],
    vendors: Vendors,
) -> None:
    async def handler(llm_call: Maker) -> None:
        async with vendors.async_client(stand_in) as client:
            await work(wrap_client(client, llm_call))

    record(handler)
    assert _known(only_call(database))


async def _async_messages(client: anthropic.AsyncAnthropic) -> None:
    answer = await client.messages.create(model=CLAUDE, max_tokens=99, messages=ASK_CLAUDE)
    assert answer.content


async def _async_messages_helper(client: anthropic.AsyncAnthropic) -> None:
    ask: Any = {"model": CLAUDE, "max_tokens": 99, "messages": ASK_CLAUDE}
    async with client.messages.stream(**ask) as stream:
        assert "".join([text async for text in stream.text_stream])


ASYNC_ANTHROPIC_WORK = [_async_messages, _async_messages_helper]


@pytest.mark.parametrize("work", ASYNC_ANTHROPIC_WORK, ids=lambda work: work.__name__.strip("_"))
def test_async_anthropic_is_recorded(
    database: Database,
    record: Callable[..., None],
    stand_in: StandIn,
    work: Callable[[anthropic.AsyncAnthropic], Awaitable[None]],
    vendors: Vendors,
) -> None:
    async def handler(llm_call: Maker) -> None:
        async with vendors.async_claude(stand_in) as client:
            await work(wrap_client(client, llm_call))

    record(handler)
    assert _known(only_call(database))


# --- the figures ---


def test_the_figures_are_those_of_the_answer(
    database: Database, record: Callable[..., None], stand_in: StandIn, vendors: Vendors
) -> None:
    answers: list[Any] = []

    def handler(llm_call: Maker) -> None:
        with vendors.client(stand_in) as client:
            wrapped = wrap_client(client, llm_call)
            answers.append(wrapped.chat.completions.create(model="o3-mini", messages=ASK))

    record(handler)
    call, answer = only_call(database), answers[0]
    usage = answer.usage
    assert (call.input_tokens, call.output_tokens) == (usage.prompt_tokens, usage.completion_tokens)
    assert call.cache_read_tokens == usage.prompt_tokens_details.cached_tokens
    assert call.reasoning_tokens == usage.completion_tokens_details.reasoning_tokens
    assert (call.response_model, call.finish_reason) == ("o3-mini", "stop")
    cached = usage.prompt_tokens_details.cached_tokens
    dollars = (usage.prompt_tokens - cached) * Decimal("1.1") + cached * Decimal("0.55")
    assert call.cost_usd == (dollars + usage.completion_tokens * Decimal("4.4")) / 1_000_000


def test_cached_input_of_anthropic_is_part_of_the_input(
    database: Database, record: Callable[..., None], stand_in: StandIn, vendors: Vendors
) -> None:
    usages: list[Any] = []

    def handler(llm_call: Maker) -> None:
        with vendors.claude(stand_in) as client:
            answer = wrap_client(client, llm_call).messages.create(
                model=CLAUDE, max_tokens=99, system="Be brief. " * 20, messages=ASK_CLAUDE
            )
            usages.append(answer.usage)

    record(handler)
    call, [usage] = only_call(database), usages
    assert call.cache_read_tokens == usage.cache_read_input_tokens > 0
    assert call.input_tokens == usage.input_tokens + usage.cache_read_input_tokens


def test_a_model_without_a_price_is_unpriced(
    database: Database, record: Callable[..., None], stand_in: StandIn, vendors: Vendors
) -> None:
    def handler(llm_call: Maker) -> None:
        with vendors.client(stand_in) as client:
            wrapped = wrap_client(client, llm_call)
            wrapped.chat.completions.create(model="our-own-model", messages=ASK)

    record(handler)
    call = only_call(database)
    assert _known(call)
    assert (call.cost_usd, call.cost_source) == (None, "unpriced")


# --- streams that do not come to their end ---


def test_a_stream_that_is_closed_early_has_unknown_tokens(
    database: Database, record: Callable[..., None], stand_in: StandIn, vendors: Vendors
) -> None:
    def handler(llm_call: Maker) -> None:
        with vendors.client(stand_in) as client:
            wrapped = wrap_client(client, llm_call)
            with wrapped.chat.completions.create(model=MODEL, messages=ASK, stream=True) as stream:
                next(stream)
                assert only_call(database).status == "open"
            assert only_call(database).status == "ok"

    record(handler)
    call = only_call(database)
    assert (call.input_tokens, call.cost_source) == (None, "unpriced")
    assert call.error_message == "the stream was closed before its end"


def test_a_stream_that_is_left_and_read_on_is_one_call(
    database: Database, record: Callable[..., None], stand_in: StandIn, vendors: Vendors
) -> None:
    def handler(llm_call: Maker) -> None:
        with vendors.client(stand_in) as client:
            wrapped = wrap_client(client, llm_call)
            stream = wrapped.chat.completions.create(model=MODEL, messages=ASK, stream=True)
            for _ in stream:
                break
            assert only_call(database).status == "open"
            assert list(stream)

    record(handler)
    assert _known(only_call(database))


def test_a_stream_that_is_dropped_is_closed(
    database: Database, record: Callable[..., None], stand_in: StandIn, vendors: Vendors
) -> None:
    def handler(llm_call: Maker) -> None:
        with vendors.client(stand_in) as client:
            wrapped = wrap_client(client, llm_call)
            stream = wrapped.chat.completions.create(model=MODEL, messages=ASK, stream=True)
            next(stream)
            del stream
            gc.collect()
            eventually(lambda: only_call(database).status == "ok")

    record(handler)
    assert only_call(database).input_tokens is None


@pytest.mark.parametrize("helper", [False, True])
def test_an_async_stream_that_is_closed_early(
    database: Database,
    record: Callable[..., None],
    stand_in: StandIn,
    vendors: Vendors,
    *,
    helper: bool,
) -> None:
    async def handler(llm_call: Maker) -> None:
        async with vendors.async_client(stand_in) as client:
            chat = wrap_client(client, llm_call).chat.completions
            if helper:
                async with chat.stream(model=MODEL, messages=ASK) as events:
                    await anext(aiter(events))
            else:
                async with await chat.create(model=MODEL, messages=ASK, stream=True) as stream:
                    await anext(aiter(stream))
            assert only_call(database).status == "ok"

    record(handler)
    assert only_call(database).input_tokens is None


def test_a_stream_that_is_cancelled_is_an_error(
    database: Database, record: Callable[..., None], vendors: Vendors
) -> None:
    async def handler(llm_call: Maker) -> None:
        begun = asyncio.Event()

        async def read() -> None:
            with StandIn(latency=timedelta(), pace=timedelta(minutes=1)) as slow:
                async with vendors.async_client(slow) as client:
                    chat = wrap_client(client, llm_call).chat.completions
                    async for _ in await chat.create(model=MODEL, messages=ASK, stream=True):
                        begun.set()

        reading = asyncio.create_task(read())
        await begun.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    record(handler)
    call = only_call(database)
    assert (call.status, call.error_message) == ("error", "cancelled")


def test_a_stream_whose_server_dies_is_an_error(
    database: Database, record: Callable[..., None], vendors: Vendors
) -> None:
    def handler(llm_call: Maker) -> None:
        slow = StandIn(latency=timedelta(), pace=timedelta(minutes=1)).start()
        with vendors.client(slow) as client:
            chat = wrap_client(client, llm_call).chat.completions
            stream = chat.create(model=MODEL, messages=ASK, stream=True)
            next(stream)
            slow.stop()
            with pytest.raises(vendors.openai.APIConnectionError):
                list(stream)

    record(handler)
    call = only_call(database)
    assert call.status == "error"
    assert "APIConnectionError" in (call.error_message or "")


# --- errors, and what is left alone ---


def test_errors_of_the_server_are_recorded_and_pass_through(
    database: Database, record: Callable[..., None], vendors: Vendors
) -> None:
    secret = "sk-proj-abcdefghijklmnop"

    def handler(llm_call: Maker) -> None:
        with (
            StandIn(latency=timedelta(), key="right") as refusing,
            vendors.openai.OpenAI(base_url=refusing.url, api_key=secret, max_retries=0) as client,
            pytest.raises(vendors.openai.AuthenticationError),
        ):
            wrap_client(client, llm_call).chat.completions.create(model=MODEL, messages=ASK)

    record(handler)
    call = only_call(database)
    assert call.status == "error"
    assert "AuthenticationError" in (call.error_message or "")
    assert secret not in (call.error_message or "")


def test_a_server_that_is_not_there(
    database: Database, record: Callable[..., None], vendors: Vendors
) -> None:
    async def handler(llm_call: Maker) -> None:
        async with vendors.openai.AsyncOpenAI(
            base_url="http://127.0.0.1:9/v1", api_key="any", max_retries=0
        ) as client:
            chat = wrap_client(client, llm_call).chat.completions
            with pytest.raises(vendors.openai.APIConnectionError):
                await chat.create(model=MODEL, messages=ASK)

    record(handler)
    assert only_call(database).status == "error"


def test_other_methods_are_not_calls(
    database: Database, record: Callable[..., None], stand_in: StandIn, vendors: Vendors
) -> None:
    def handler(llm_call: Maker) -> None:
        with vendors.client(stand_in) as client, vendors.claude(stand_in) as claude:
            assert wrap_client(client, llm_call).models.list().data
            wrap_client(claude, llm_call).messages.count_tokens(model=CLAUDE, messages=ASK_CLAUDE)

    record(handler)
    assert calls(database) == []


def test_the_client_itself_is_left_alone(
    database: Database, record: Callable[..., None], stand_in: StandIn, vendors: Vendors
) -> None:
    def handler(llm_call: Maker) -> None:
        with vendors.client(stand_in) as client:
            wrapped = wrap_client(client, llm_call)
            assert type(wrapped) is vendors.openai.OpenAI
            assert wrapped is not client
            assert wrapped.base_url == client.base_url
            client.chat.completions.create(model=MODEL, messages=ASK)

    record(handler)
    assert calls(database) == []


def test_a_sync_client_in_an_async_handler_is_refused(
    database: Database, record: Callable[..., None], stand_in: StandIn, vendors: Vendors
) -> None:
    async def handler(llm_call: Maker) -> None:
        with vendors.client(stand_in) as client:
            chat = wrap_client(client, llm_call).chat.completions
            with pytest.raises(CallInLoop):
                chat.create(model=MODEL, messages=ASK)

    record(handler)
    assert calls(database) == []


def test_what_is_no_client_is_refused(vendors: Vendors) -> None:
    for other in (object(), "https://api.openai.com", None, vendors.openai):
        with pytest.raises(ClientUnknown, match=type(other).__name__):
            wrap_client(other, lambda **_: pytest.fail("no call"))


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://api.groq.com/openai/v1", "groq"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("http://localhost:11434/v1", "openai"),
    ],
)
def test_the_provider_is_told_by_the_address(url: str, provider: str, vendors: Vendors) -> None:
    asked: list[str] = []

    def llm_call(*, provider: str, model: str) -> LlmCall:
        asked.append(provider)
        raise LookupError(model)

    with vendors.openai.OpenAI(base_url=url, api_key="any") as client, pytest.raises(LookupError):
        wrap_client(client, llm_call).chat.completions.create(model=MODEL, messages=ASK)
    assert asked == [provider]
