"""The stand-in speaks the vendors' protocols: their own clients understand it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from agentpg.agents.standin import StandIn
from agentpg.agents.standin.text import count_tokens, cut, embed, pieces, summarise
from tests.waiting import eventually

if TYPE_CHECKING:
    import anthropic
    import openai

pytestmark = [pytest.mark.without_server, pytest.mark.xdist_group("vendors")]

MODEL = "gpt-4o-mini"

TEXT = """# Backups

A backup that was never restored is a hope and not a backup. The nightly backup runs at two.

Restore the backup into an empty server to prove that the backup works. Cats sleep a lot.

```sql
SELECT 'a backup in code. It is no sentence. It is a backup.';
```

- Keep each backup for thirty days on a disk of its own.
"""


@pytest.fixture(scope="module", autouse=True)
def vendors() -> None:
    """Import their clients where these tests run: every process of a run would spend two
    seconds on it."""
    global anthropic, openai  # noqa: PLW0603
    import anthropic
    import openai


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    with StandIn(latency=timedelta(), pace=timedelta()) as running:
        yield running


@pytest.fixture
def client(stand_in: StandIn) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=stand_in.url, api_key="any", max_retries=0) as made:
        yield made


@pytest.fixture
def claude(stand_in: StandIn) -> Iterator[anthropic.Anthropic]:
    url = stand_in.anthropic_url
    with anthropic.Anthropic(base_url=url, api_key="any", max_retries=0) as made:
        yield made


def _ask(text: str = TEXT) -> list[Any]:
    return [
        {"role": "system", "content": "Summarise the document " * 10},
        {"role": "user", "content": text},
    ]


def test_chat_answers_with_sentences_of_the_text(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=_ask())
    said = answer.choices[0].message.content
    assert said is not None
    assert "A backup that was never restored is a hope and not a backup." in said
    assert "Cats" not in said
    assert "SELECT" not in said
    assert answer.model == MODEL
    assert answer.system_fingerprint == "stand-in"
    assert answer.choices[0].finish_reason == "stop"


def test_usage_is_counted_and_the_same_each_time(client: openai.OpenAI) -> None:
    first = client.chat.completions.create(model=MODEL, messages=_ask()).usage
    again = client.chat.completions.create(model=MODEL, messages=_ask()).usage
    assert first == again
    assert first is not None
    assert first.prompt_tokens_details is not None
    assert first.prompt_tokens > (first.prompt_tokens_details.cached_tokens or 0) > 0
    assert first.total_tokens == first.prompt_tokens + first.completion_tokens


def test_a_reasoning_model_reports_reasoning(client: openai.OpenAI) -> None:
    usage = client.chat.completions.create(model="o3-mini", messages=_ask()).usage
    assert usage is not None
    assert usage.completion_tokens_details is not None
    assert usage.completion_tokens > (usage.completion_tokens_details.reasoning_tokens or 0) > 0


@pytest.mark.parametrize("with_usage", [True, False])
def test_chat_streams(client: openai.OpenAI, *, with_usage: bool) -> None:
    options: Any = {"include_usage": True} if with_usage else None
    chunks = list(
        client.chat.completions.create(
            model=MODEL, messages=_ask(), stream=True, stream_options=options
        )
    )
    whole = client.chat.completions.create(model=MODEL, messages=_ask())
    said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert said == whole.choices[0].message.content
    assert [c.usage for c in chunks if c.usage] == ([whole.usage] if with_usage else [])


def test_an_answer_is_cut_at_the_limit(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=_ask(), max_completion_tokens=5)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens <= 5


def test_responses(client: openai.OpenAI) -> None:
    answer = client.responses.create(model=MODEL, input=TEXT, instructions="Summarise.")
    assert "never restored" in answer.output_text
    assert answer.status == "completed"
    with client.responses.stream(model=MODEL, input=TEXT) as stream:
        stream.until_done()
        assert stream.get_final_response().output_text == answer.output_text


def test_embeddings_of_like_texts_are_close(client: openai.OpenAI) -> None:
    texts = ["the backup of the server", "server backup", "cats sleep all day"]
    answer = client.embeddings.create(model="text-embedding-3-small", input=texts)
    one, two, other = (item.embedding for item in answer.data)
    assert len(one) == 256
    assert _product(one, two) > _product(one, other)
    plain = client.embeddings.create(model="m", input=texts[0], encoding_format="float")
    assert plain.data[0].embedding == pytest.approx(one, abs=1e-6)


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["stand-in"]


def test_messages(claude: anthropic.Anthropic) -> None:
    ask: Any = [{"role": "user", "content": [{"type": "text", "text": TEXT}]}]
    system = "Summarise the document " * 10
    answer = claude.messages.create(
        model="claude-haiku-4-5", max_tokens=500, system=system, messages=ask
    )
    [block] = answer.content
    assert block.type == "text"
    assert "never restored" in block.text
    assert answer.stop_reason == "end_turn"
    assert (answer.usage.cache_read_input_tokens or 0) > 0
    counted = claude.messages.count_tokens(model="claude-haiku-4-5", system=system, messages=ask)
    assert counted.input_tokens == answer.usage.input_tokens + (
        answer.usage.cache_read_input_tokens or 0
    )
    with claude.messages.stream(
        model="claude-haiku-4-5", max_tokens=500, system=system, messages=ask
    ) as stream:
        final = stream.get_final_message()
    assert stream.get_final_text() == block.text
    assert final.usage.output_tokens == answer.usage.output_tokens


def test_it_says_what_it_is(stand_in: StandIn) -> None:
    status, headers, _ = _post(stand_in, "/chat/completions", {"model": MODEL, "messages": _ask()})
    assert status == 200
    assert "no model" in headers["x-stand-in"]
    assert headers["Server"].startswith("agentpg-stand-in")


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/chat/completions", b"{", 400, "could not parse"),
        ("/chat/completions", b"[]", 400, "must be a JSON object"),
        ("/chat/completions", {}, 400, "model parameter"),
        ("/chat/completions", {"model": 3}, 400, "model parameter"),
        ("/chat/completions", {"model": "m"}, 400, "'messages'"),
        ("/chat/completions", {"model": "m", "messages": ["hello"]}, 400, "must be an object"),
        ("/chat/completions", {"model": "m", "messages": _ask(), "n": 2}, 400, "one choice"),
        ("/chat/completions", {"model": "m", "messages": _ask(), "max_tokens": 0}, 400, "integer"),
        (
            "/chat/completions",
            {"model": "m", "messages": [{"role": "user", "content": 3}]},
            400,
            "string or an array",
        ),
        (
            "/chat/completions",
            {"model": "m", "messages": _ask(), "stream_options": {"include_usage": True}},
            400,
            "'stream_options'",
        ),
        ("/responses", {"model": "m"}, 400, "'input'"),
        ("/embeddings", {"model": "m", "input": [3]}, 400, "'input'"),
        ("/nothing", {}, 404, "Invalid URL (POST /v1/nothing)"),
        ("/messages", {"model": "m", "messages": _ask()}, 400, "max_tokens"),
    ],
)
def test_bad_input_gets_an_error_in_the_vendors_form(
    stand_in: StandIn, path: str, body: Any, status: int, message: str
) -> None:
    got, _, answer = _post(stand_in, path, body)
    assert got == status
    assert message in answer["error"]["message"]
    assert "type" in answer["error"]


def test_a_key_is_needed(stand_in: StandIn) -> None:
    status, _, answer = _post(stand_in, "/chat/completions", {}, key="")
    assert (status, answer["error"]["code"]) == (401, "invalid_api_key")


def test_a_wrong_key_is_refused() -> None:
    with StandIn(latency=timedelta(), key="right") as stand_in:
        wrong = openai.OpenAI(base_url=stand_in.url, api_key="wrong-key", max_retries=0)
        with wrong, pytest.raises(openai.AuthenticationError, match="Incorrect API key") as raised:
            wrong.models.list()
        assert "wrong-key" not in str(raised.value)
        with openai.OpenAI(base_url=stand_in.url, api_key="right") as right:
            assert right.models.list().data


def test_it_ends_with_its_parent() -> None:
    """Also when the parent is killed and can clean nothing up."""
    code = (
        "import sys; from agentpg.agents.standin import StandIn; s = StandIn().start();"
        "print(s.url, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    port = urlsplit(parent.stdout.readline()).port
    assert port is not None
    assert _listens(port)
    parent.kill()
    parent.communicate()
    eventually(lambda: not _listens(port), message="the stand-in goes")


def test_it_stops_by_signal_when_run_by_hand() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "agentpg.agents.standin"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("http://127.0.0.1:")
    os.kill(process.pid, signal.SIGTERM)
    process.communicate(timeout=10)
    assert process.returncode == 0


def test_tokens_of_words_signs_and_scripts() -> None:
    assert count_tokens("") == 0
    assert count_tokens("a word, two") == 4
    assert count_tokens("internationalisation") == 5
    assert count_tokens("백업") == 2
    assert "".join(pieces("a  b\n\nc ")) == "a  b\n\nc "
    assert count_tokens(cut("one two three four", 2)) == 2


def test_summaries_of_little_or_nothing() -> None:
    assert summarise("") == "There is nothing to summarise."
    assert summarise("One short sentence stands here.") == "One short sentence stands here."
    assert summarise(
        "백업은 매일 새벽 두 시에 실행됩니다. 복구 훈련은 매주 한 번씩 합니다."
    ).startswith("백업은")


def test_an_embedding_of_nothing_has_no_direction() -> None:
    assert embed("", 8) == [0.0] * 8


def _listens(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0


def _product(one: list[float], two: list[float]) -> float:
    return sum(a * b for a, b in zip(one, two, strict=True))


def _post(stand_in: StandIn, path: str, body: Any, key: str = "any") -> tuple[int, Any, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    address = urlsplit(stand_in.url)
    connection = http.client.HTTPConnection(address.netloc)
    with contextlib.closing(connection):
        connection.request("POST", address.path + path, data, headers)
        response = connection.getresponse()
        return response.status, response.headers, json.load(response)
